// Finds faces beside the page, so that nothing on it stutters. First the weights, then one image after the other.

import { finder } from "./find.js";

let find = null;

self.addEventListener("message", ({ data: { weights, image } }) => {
  try {
    if (weights) find = finder(weights);
    self.postMessage({ faces: image ? find(image) : [] });
  } catch (error) {
    self.postMessage({ flaw: String(error) });
  }
});
