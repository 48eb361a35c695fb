// Keeps what was seen last, so that it can be read without a connection. KNOWN is written above by the server.
// Whoever is signed out leaves nothing behind: the kept pages go with the way to or from the sign-in page.

const FILES = `files-${KNOWN.version}`;
const PAGES = "pages";
const COVERS = "covers";
const MOST_PAGES = 40;
const MOST_COVERS = 400;
const NEVER = /^\/(admin|api|account|login|logout|register|reset|oauth|gone|openapi|metrics|healthz|readyz)(\/|$|\.)/;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const files = await caches.open(FILES);
      await files.addAll([...KNOWN.files, KNOWN.offline]);
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const old = (await caches.keys()).filter((name) => name.startsWith("files-") && name !== FILES);
      await Promise.all(old.map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.method !== "GET") {
    if (/^\/(log(in|out)|account\/(delete|sessions))/.test(url.pathname)) event.waitUntil(caches.delete(PAGES));
  } else if (request.mode === "navigate") {
    event.respondWith(visit(event, request, url));
  } else if (url.pathname.startsWith("/cover/")) {
    event.respondWith(cover(request));
  } else if (url.pathname.startsWith("/static/") || url.pathname === "/styles.css") {
    event.respondWith(file(request, url));
  }
});

async function visit(event, request, url) {
  try {
    const reply = await fetch(request);
    event.waitUntil(keep(request, url, reply.clone()));
    return reply;
  } catch {
    const kept = await (await caches.open(PAGES)).match(request.url, { ignoreVary: true });
    return kept ?? (await caches.match(KNOWN.offline)) ?? Response.error();
  }
}

async function keep(request, url, reply) {
  // a redirect is followed by the browser itself: that it leads to the sign-in page is seen when that is visited
  if (url.pathname === "/login") {
    await caches.delete(PAGES);
    return;
  }
  const isPage = reply.ok && (reply.headers.get("Content-Type") ?? "").startsWith("text/html");
  if (!isPage || reply.redirected || reply.headers.get("X-Segue-Person") !== "1" || NEVER.test(url.pathname)) return;
  await put(PAGES, request.url, reply, MOST_PAGES);
}

async function cover(request) {
  const covers = await caches.open(COVERS);
  const kept = await covers.match(request);
  const isDrawn = kept?.headers.get("Cache-Control")?.includes("immutable");
  if (isDrawn) return kept;
  try {
    const reply = await fetch(request);
    if (reply.ok) await put(COVERS, request.url, reply.clone(), MOST_COVERS);
    return reply;
  } catch {
    return kept ?? Response.error();
  }
}

async function file(request, url) {
  const files = await caches.open(FILES);
  const version = url.searchParams.get("v");
  if (version === KNOWN.version) {
    const kept = await files.match(request);
    if (kept) return kept;
  }
  try {
    return await fetch(request);
  } catch {
    return (await files.match(request, { ignoreSearch: true })) ?? Response.error();
  }
}

async function put(name, address, reply, most) {
  const cache = await caches.open(name);
  await cache.delete(address); // so that it stands last: the first ones are the oldest
  await cache.put(address, reply);
  const keys = await cache.keys();
  await Promise.all(keys.slice(0, Math.max(0, keys.length - most)).map((key) => cache.delete(key)));
}
