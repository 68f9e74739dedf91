// Keeps the kiosk's own files, so that a reload without the network still shows it. Answers of the API are never kept.

const KEPT = "frontalis-kiosk-1";
const own = (url) => url.origin === self.location.origin && (url.pathname === "/kiosk" || url.pathname.startsWith("/web/"));

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && own(new URL(event.request.url))) event.respondWith(freshOrKept(event.request));
});

async function freshOrKept(request) {
  const kept = await caches.open(KEPT);
  try {
    const fresh = await fetch(request);
    if (fresh.ok) await kept.put(request, fresh.clone());
    return fresh;
  } catch (error) {
    const known = await kept.match(request);
    if (known) return known;
    throw error;
  }
}
