// Keeps the part of a page that says how runs are going fresh, while any of them is going.

const EVERY_MS = 1000;
const MOST_FAILURES = 5;

async function follow(frame) {
  let failures = 0;
  let isLive = true;
  while (isLive && frame.isConnected && failures < MOST_FAILURES) {
    await new Promise((resolve) => setTimeout(resolve, (Number(frame.dataset.every) || EVERY_MS) * (failures + 1)));
    if (document.hidden) continue;
    try {
      const reply = await fetch(frame.dataset.progress);
      if (!reply.ok) throw new Error(reply.statusText);
      const next = new DOMParser().parseFromString(await reply.text(), "text/html");
      const focused = frame.contains(document.activeElement);
      if (!focused || reply.headers.get("X-Segue-Live") === "0") frame.replaceChildren(...next.body.childNodes);
      isLive = reply.headers.get("X-Segue-Live") === "1";
      failures = 0;
    } catch {
      failures += 1;
    }
  }
}

function begin() {
  for (const frame of document.querySelectorAll("[data-progress]:not([data-followed])")) {
    frame.dataset.followed = "1";
    follow(frame);
  }
  for (const link of document.querySelectorAll("[data-reload]")) link.hidden = true;
}

begin();
document.addEventListener("segue:swapped", begin);
