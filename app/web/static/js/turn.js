// Sliders act as soon as they are let go: the answer takes the place of what is shown, and the address says how they stand.
import { show } from "./swap.js";

export function enhanceTurning(document) {
  document.addEventListener("change", (event) => {
    event.target.closest("form[data-turn]")?.requestSubmit();
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-turn]")) return;
    event.preventDefault();
    turn(document, form);
  });
}

async function turn(document, form) {
  const values = [...new FormData(form)].filter(([, value]) => value !== "" && value !== "0" && value !== "0.0");
  const query = new URLSearchParams(values).toString();
  const address = new URL(query ? `${form.action}?${query}` : form.action);
  const held = document.activeElement?.id;
  try {
    const reply = await fetch(address);
    show(document, await reply.text());
    history.replaceState(null, "", address);
    if (held) document.getElementById(held)?.focus({ preventScroll: true });
  } catch {
    form.submit();
  }
}
