// A radio goes on below what is there; without this its link leads to a page of its own.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-radio-more]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (link.dataset.isAsking) return;
  link.dataset.isAsking = "1";
  try {
    const reply = await fetch(link.href);
    if (!reply.ok) throw new Error(String(reply.status));
    const next = new DOMParser().parseFromString(await reply.text(), "text/html");
    const list = document.querySelector("[data-radio]");
    const fresh = [...next.querySelector("[data-radio]").children];
    list.append(...fresh);
    link.href = next.querySelector("[data-radio-more]").href;
    fresh[0]?.querySelector("a, button")?.focus();
  } catch {
    location.assign(link.href);
  } finally {
    delete link.dataset.isAsking;
  }
});
