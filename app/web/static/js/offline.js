// Registers the worker that keeps what was seen last, and says so when there is no connection.

export function enhanceOffline(document) {
  const bar = document.querySelector("[data-offline]");
  if (!bar) return;
  const show = () => {
    bar.hidden = navigator.onLine;
  };
  addEventListener("online", show);
  addEventListener("offline", show);
  show();
  navigator.serviceWorker?.register("/worker.js");
}
