// What covers a face, drawn over it: 14 x 14 chances of the aligned face, laid back onto the picture.

// Where the five points lie in an aligned face of 112 pixels, as in app/face/align.py.
const POINTS = [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];
const SIDE = 112;
const COLOUR = [255, 74, 60];
const [FAINT, STRONG] = [0.3, 0.75]; // the chance from which a cell shows, and the most that it hides

/** [a, b, x, y] of the least-squares similarity that carries the aligned face to `landmarks`: (a + bi) z + (x + yi). */
export function backFrom(landmarks) {
  const mean = (points, axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [px, py, qx, qy] = [mean(POINTS, 0), mean(POINTS, 1), mean(landmarks, 0), mean(landmarks, 1)];
  let [real, imaginary, size] = [0, 0, 0];
  POINTS.forEach(([x, y], at) => {
    const [u, v, s, t] = [x - px, y - py, landmarks[at][0] - qx, landmarks[at][1] - qy];
    real += u * s + v * t;
    imaginary += u * t - v * s;
    size += u * u + v * v;
  });
  const [a, b] = [real / size, imaginary / size];
  return [a, b, qx - a * px + b * py, qy - b * px - a * py];
}

/** `cells` over the face at `landmarks` (pixels of the context); bare faces stay as they are. */
export function heat(context, cells, landmarks) {
  const small = document.createElement("canvas");
  small.width = small.height = cells.length;
  const pixels = new ImageData(cells.length, cells.length);
  cells.flat().forEach((chance, at) => {
    const seen = Math.max(0, (chance - FAINT) / (1 - FAINT));
    pixels.data.set([...COLOUR, Math.round(255 * STRONG * seen)], 4 * at);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  const [a, b, x, y] = backFrom(landmarks);
  context.save();
  context.transform(a, b, -b, a, x, y);
  context.drawImage(small, 0, 0, SIDE, SIDE);
  context.restore();
}
