// One picture from the webcam, as a file; the camera is off again when the dialog closes.

import { byId } from "./dom.js";

export async function snapshot() {
  const [dialog, view, said, shoot] = ["camera", "camera-view", "camera-said", "camera-shoot"].map(byId);
  shoot.disabled = true;
  said.textContent = "Waiting for the camera";
  dialog.showModal();
  const closed = new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  byId("camera-close").onclick = () => dialog.close();
  let taken = null;
  shoot.onclick = async () => {
    taken = await still(view);
    dialog.close();
  };
  const opening = open(view, said);
  opening.then((stream) => (shoot.disabled = stream === null));
  await closed;
  // The permission may be given after the dialog was closed: wait for it, so that it is turned off too.
  opening.then((stream) => stream?.getTracks().forEach((track) => track.stop()));
  view.srcObject = null;
  return taken;
}

async function open(view, said) {
  if (!navigator.mediaDevices) {
    said.textContent = "Browsers give a camera only to pages from https:// or from this machine.";
    return null;
  }
  let stream = null;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } } });
    view.srcObject = stream;
    await view.play();
    said.textContent = "";
  } catch (error) {
    const refused = error.name === "NotAllowedError";
    said.textContent = refused ? "The browser was not allowed to use the camera." : "No camera can be used here.";
  }
  return stream;
}

async function still(view) {
  const canvas = document.createElement("canvas");
  canvas.width = view.videoWidth;
  canvas.height = view.videoHeight;
  canvas.getContext("2d").drawImage(view, 0, 0);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  return blob && new File([blob], "webcam.jpg", { type: blob.type });
}
