// Sends small forms without leaving the page: the answer's main part takes the place of this one's.
// The forms are ordinary ones and work as such; this spares a jump to the top of the page.

export function enhanceForms(document) {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-swap]") || event.defaultPrevented) return;
    event.preventDefault();
    send(document, form, event.submitter);
  });
}

async function send(document, form, button) {
  if (form.dataset.isSending) return;
  form.dataset.isSending = "1";
  button?.setAttribute("aria-disabled", "true");
  try {
    const reply = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const text = await reply.text();
    if (reply.redirected && new URL(reply.url).pathname !== location.pathname) location.assign(reply.url);
    else swap(document, text, button?.dataset.follow);
  } catch {
    say(document);
  } finally {
    delete form.dataset.isSending;
    button?.removeAttribute("aria-disabled");
  }
}

function swap(document, text, follow) {
  const notes = show(document, text);
  float(notes);
  focusAfter(document, document.querySelector("main"), notes, follow);
}

// Puts the main part of a page in the place of this one's, and returns its notes.
export function show(document, text) {
  const next = new DOMParser().parseFromString(text, "text/html");
  const main = document.querySelector("main");
  const fresh = next.querySelector("main");
  // The notes' live region itself stays, so that what is new in it is read out.
  const notes = main.querySelector("[data-notes]");
  const freshNotes = fresh.querySelector("[data-notes]");
  notes.replaceChildren(...freshNotes.childNodes);
  freshNotes.remove();
  main.replaceChildren(notes, ...fresh.childNodes);
  document.title = next.title;
  main.dispatchEvent(new CustomEvent("segue:swapped", { bubbles: true }));
  return notes;
}

// What could not be sent is said in the words that the page brought for it.
function say(document) {
  const notes = document.querySelector("[data-notes]");
  const note = document.createElement("div");
  note.className = "note note--problem";
  note.textContent = notes.dataset.unreachable;
  notes.replaceChildren(note);
  float(notes);
}

// A note that was said above what is in view hovers at the foot of the window instead.
function float(notes) {
  notes.classList.remove("notes--floating");
  const isOutOfView = notes.getBoundingClientRect().top < 0;
  notes.classList.toggle("notes--floating", notes.childElementCount > 0 && isOutOfView);
}

function focusAfter(document, main, notes, follow) {
  if (follow) {
    const [row, direction] = follow.split(":");
    const place = document.getElementById(row);
    const all = place?.querySelectorAll("[data-move]:not(:disabled)") ?? [];
    const target = [...all].find((button) => button.dataset.move === direction) ?? all[0];
    if (target) {
      target.focus();
      return;
    }
  }
  (notes.querySelector("button") ?? main).focus({ preventScroll: true });
}
