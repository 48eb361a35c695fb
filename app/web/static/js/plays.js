// Tells what is played in the page as any player does: what is playing now, and a listen after half of it or four minutes.

const ENOUGH_S = 240;
const SHORTEST_S = 30;
const JUMP_S = 5; // further than time goes by between two looks: somebody moved along in the recording

export function telling(form, sound) {
  let play = null;
  let at = 0;

  async function tell(fields) {
    const body = new URLSearchParams(new FormData(form));
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    return (await fetch(form.action, { method: "POST", body })).ok;
  }

  function said() {
    const names = { title: play.title, artist: play.artist };
    return Number.isFinite(sound.duration) ? { ...names, duration_ms: Math.round(sound.duration * 1000) } : names;
  }

  function look() {
    const step = sound.currentTime - at;
    at = sound.currentTime;
    if (!play || play.isTold || sound.seeking || step <= 0 || step > JUMP_S) return;
    play.heard += step;
    if (!(sound.duration > SHORTEST_S) || play.heard < Math.min(sound.duration / 2, ENOUGH_S)) return;
    const told = play;
    told.isTold = true;
    tell({ ...said(), listened_at: told.startedAt }).catch(() => (told.isTold = false)); // it is told at the next look
  }

  sound.addEventListener("timeupdate", look);
  sound.addEventListener("playing", () => {
    at = sound.currentTime;
    if (!play || play.startedAt) return;
    play.startedAt = Math.floor(Date.now() / 1000);
    tell(said()).catch(() => {}); // of a moment only: nothing is lost
  });
  sound.addEventListener("ended", () => {
    look();
    if (play) play = { ...play, startedAt: 0, heard: 0, isTold: false }; // played again it is another listen
  });

  return {
    begin: (track) => (play = { title: track.title, artist: track.artist, startedAt: 0, heard: 0, isTold: false }),
    resume: (kept) => (play = kept),
    kept: () => play,
    stop: () => (play = null),
  };
}
