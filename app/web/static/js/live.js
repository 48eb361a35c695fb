// Keeps small parts of a page fresh while it is looked at: what is playing, what is new.

const EVERY_MS = 3000;
const MOST_FAILURES = 5;

async function follow(frame) {
  let failures = 0;
  let shown = frame.innerHTML.trim();
  while (frame.isConnected && failures < MOST_FAILURES) {
    if (!document.hidden) {
      try {
        const reply = await fetch(frame.dataset.live);
        if (!reply.ok || reply.redirected) throw new Error(reply.statusText);
        const text = (await reply.text()).trim();
        if (text !== shown && !frame.contains(document.activeElement)) {
          const next = new DOMParser().parseFromString(text, "text/html");
          frame.replaceChildren(...next.body.childNodes);
          shown = text;
        }
        failures = 0;
      } catch {
        failures += 1;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS * (failures + 1)));
  }
}

export function enhanceLive(root) {
  for (const frame of root.querySelectorAll("[data-live]:not([data-followed])")) {
    frame.dataset.followed = "1";
    follow(frame);
  }
}
