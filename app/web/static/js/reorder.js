// Moves entries by drag, and by Alt with an arrow key: shortcuts for the buttons that each entry has.

document.addEventListener("keydown", (event) => {
  if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
  const row = event.target.closest("[data-reorder] > li");
  const button = row?.querySelector(`[data-move="${event.key === "ArrowUp" ? "up" : "down"}"]:not(:disabled)`);
  if (!button) return;
  event.preventDefault();
  button.click();
});

let dragged = null;

function rowAt(event) {
  const row = event.target.closest?.("[data-reorder] > li");
  return dragged && row?.parentElement === dragged.parentElement ? row : null;
}

function mark(row) {
  for (const each of document.querySelectorAll(".row--target")) each.classList.remove("row--target");
  row?.classList.add("row--target");
}

document.addEventListener("pointerdown", (event) => {
  const row = event.target.closest("[data-reorder] > li");
  if (row) row.draggable = !event.target.closest("a, button, input");
});
document.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.("[data-reorder] > li") ?? null;
  if (dragged) event.dataTransfer.effectAllowed = "move";
});
document.addEventListener("dragover", (event) => {
  const row = rowAt(event);
  if (!row) return;
  event.preventDefault();
  mark(row);
});
document.addEventListener("dragend", () => {
  mark(null);
  dragged = null;
});
document.addEventListener("drop", (event) => {
  const row = rowAt(event);
  if (!row || row === dragged) return;
  event.preventDefault();
  const target = [...row.parentElement.children].indexOf(row);
  const button = dragged.querySelector("[data-move]:not(:disabled)");
  button.form.elements.target.value = target;
  button.dataset.follow = `entry-${target}:${button.dataset.move}`;
  button.click();
});
