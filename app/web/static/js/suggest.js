// Search as one types: what fits appears below the field; Enter still leads to the page with everything.

const PAUSE_MS = 180;
const LEAST = 2;

export function enhanceSeek(document) {
  const form = document.querySelector("form.seek[data-suggest]");
  if (!form) return;
  const field = form.querySelector("input");
  const list = form.querySelector("[data-suggestions]");
  let timer = null;
  let latest = 0;

  async function look() {
    const text = field.value.trim();
    const number = ++latest;
    if (text.length < LEAST) return close();
    try {
      const reply = await fetch(`${form.dataset.suggest}?${new URLSearchParams({ q: text })}`);
      const found = new DOMParser().parseFromString(await reply.text(), "text/html");
      if (!reply.ok || number !== latest) return;
      list.replaceChildren(...found.body.childNodes);
      list.hidden = list.querySelector("a, p") === null;
    } catch {
      close();
    }
  }

  function close() {
    list.hidden = true;
  }

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE_MS);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      close();
      field.focus();
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const links = list.hidden ? [] : [...list.querySelectorAll("a")];
    if (!links.length) return;
    event.preventDefault();
    const place = links.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    (links[place] ?? field).focus();
  });
  form.addEventListener("focusout", (event) => {
    if (!form.contains(event.relatedTarget)) close();
  });
}
