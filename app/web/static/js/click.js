// Tells that a suggestion was opened or started, so that models which are tried can be compared. Nothing waits for it.

export function enhanceClicks(document) {
  document.addEventListener("click", (event) => {
    const item = event.target.closest("a")?.closest("[data-shown]");
    if (!item) return;
    fetch("/api/v1/recommendations/clicks", {
      method: "POST",
      keepalive: true, // the page may be gone before the answer comes
      headers: {
        "Content-Type": "application/json",
        "X-CSRF-Token": document.querySelector("[name=csrf_token]").value,
      },
      body: JSON.stringify({ kind: item.dataset.shown, key: item.dataset.key }),
    }).catch(() => {});
  });
}
