/** Whether one can see through a picture: it is then shown on a checkerboard. */

const SIDE = 24;

/** @param {HTMLImageElement} image  loaded, of this origin */
export function seeThrough(image) {
  if (image.src.startsWith("blob:") || !image.naturalWidth) return false; // a thumbnail is opaque
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0, SIDE, SIDE);
  const { data } = pen.getImageData(0, 0, SIDE, SIDE);
  for (let i = 3; i < data.length; i += 4) if (data[i] < 250) return true;
  return false;
}
