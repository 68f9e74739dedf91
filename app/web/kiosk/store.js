// What the kiosk keeps in the browser: its key and settings, and sign-ins without a face that wait for the network.
// Never a picture.

const NAME = "frontalis-kiosk";

/** Opens the store; one a page. */
export async function openStore() {
  const asked = indexedDB.open(NAME, 1);
  asked.onupgradeneeded = () => {
    asked.result.createObjectStore("settings");
    asked.result.createObjectStore("waiting", { keyPath: "key" });
  };
  const base = await done(asked);
  const within = (name, mode, work) => done(work(base.transaction(name, mode).objectStore(name)));
  return {
    get: (name) => within("settings", "readonly", (kept) => kept.get(name)),
    set: (name, value) => within("settings", "readwrite", (kept) => kept.put(value, name)),
    forget: (name) => within("settings", "readwrite", (kept) => kept.delete(name)),
    keep: (entry) => within("waiting", "readwrite", (kept) => kept.put(entry)),
    sent: (key) => within("waiting", "readwrite", (kept) => kept.delete(key)),
    waiting: async () => (await within("waiting", "readonly", (kept) => kept.getAll())).sort((a, b) => a.at - b.at),
  };
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
