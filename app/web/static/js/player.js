// Plays recordings of the listener's library in a bar at the foot of the window. Without scripts the links open the sound.
import { telling } from "./plays.js";

const KEPT = "segue-player";

export function enhancePlayer(document) {
  const bar = document.querySelector("[data-player]");
  if (!bar) return;
  const sound = bar.querySelector("audio");
  const title = bar.querySelector("[data-player-title]");
  const artist = bar.querySelector("[data-player-artist]");
  const plays = telling(bar.querySelector("[data-player-tell]"), sound);
  let current = null;

  function show(track) {
    current = track;
    title.textContent = track.title;
    artist.textContent = track.artist;
    bar.hidden = false;
    mark();
  }

  function mark() {
    for (const link of document.querySelectorAll("[data-play]")) {
      if (current && link.getAttribute("href") === current.src) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  function play(link) {
    const track = { src: link.getAttribute("href"), title: link.dataset.title, artist: link.dataset.artist };
    if (current?.src === track.src && !sound.error) {
      if (sound.paused) start();
      else sound.pause();
      return;
    }
    show(track);
    plays.begin(track);
    sound.src = track.src;
    start();
  }

  function start() {
    sound.play().catch((error) => {
      // a browser may refuse to begin by itself; the bar's own button is there then
      if (error.name === "NotSupportedError") artist.textContent = bar.dataset.trouble;
    });
  }

  function keep() {
    if (!current) return;
    const kept = { ...current, time: sound.currentTime, isPlaying: !sound.paused, play: plays.kept() };
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-play]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    play(link);
  });
  sound.addEventListener("ended", () => {
    const links = [...document.querySelectorAll("main [data-play]")];
    const next = links[links.findIndex((link) => link.getAttribute("href") === current.src) + 1];
    if (next && next.getAttribute("href") !== current.src) play(next);
  });
  sound.addEventListener("error", () => {
    if (sound.getAttribute("src")) artist.textContent = bar.dataset.trouble;
  });
  bar.querySelector("[data-player-close]").addEventListener("click", () => {
    sound.pause();
    sound.removeAttribute("src");
    current = null;
    plays.stop();
    sessionStorage.removeItem(KEPT);
    bar.hidden = true;
    mark();
    document.querySelector("main").focus({ preventScroll: true });
  });
  document.addEventListener("segue:swapped", mark);
  addEventListener("pagehide", keep);

  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (kept) {
    show({ src: kept.src, title: kept.title, artist: kept.artist });
    plays.resume(kept.play);
    sound.src = `${kept.src}#t=${kept.time}`;
    if (kept.isPlaying) start();
  }
}
