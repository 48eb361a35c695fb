// Alt and an arrow key move the entry that has the focus: a shortcut for its buttons.

document.addEventListener("keydown", (event) => {
  if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
  const row = event.target.closest("[data-reorder] > li");
  const button = row?.querySelector(`[data-move="${event.key === "ArrowUp" ? "up" : "down"}"]:not(:disabled)`);
  if (!button) return;
  event.preventDefault();
  button.click();
});
