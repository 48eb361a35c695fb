// Copy buttons beside secrets that are shown once.

export function enhanceCopying(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy][hidden]")) {
    const source = button.parentElement.querySelector("[data-copy-source]");
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(source.textContent);
      button.firstChild.textContent = button.dataset.done;
    });
  }
}
