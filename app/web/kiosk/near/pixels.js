// From RGBA bytes to what the networks take: RGB planes. Pure.

const OUTSIDE = 127; // grey: nothing, once it is normalised

/** The mean over the area of each new pixel, no larger than before: planes [3, high, wide]. */
export function shrunk(data, width, height, wide, high) {
  const across = shares(width, wide);
  const down = shares(height, high);
  const rows = new Float64Array(3 * height * wide);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < wide; x += 1) {
      for (const [from, share] of across[x]) {
        for (let channel = 0; channel < 3; channel += 1) rows[(channel * height + y) * wide + x] += share * data[4 * (y * width + from) + channel];
      }
    }
  }
  const planes = new Float64Array(3 * high * wide);
  for (let channel = 0; channel < 3; channel += 1) {
    for (let y = 0; y < high; y += 1) {
      for (const [from, share] of down[y]) {
        const [to, source] = [(channel * high + y) * wide, (channel * height + from) * wide];
        for (let x = 0; x < wide; x += 1) planes[to + x] += share * rows[source + x];
      }
    }
  }
  return { data: planes, channels: 3, height: high, width: wide };
}

/** For each of `few` pixels: which of `many` lie in it, and with what share. */
function shares(many, few) {
  const length = many / few;
  return Array.from({ length: few }, (_, at) => {
    const [from, to] = [at * length, (at + 1) * length];
    const inside = [];
    for (let one = Math.floor(from); one < Math.min(Math.ceil(to - 1e-9), many); one += 1) {
      inside.push([one, (Math.min(one + 1, to) - Math.max(one, from)) / length]);
    }
    return inside;
  });
}

/** What `box` shows, [3, side, side]: its edges on the middles of the outer pixels, interpolated, grey outside the picture. */
export function windowOf({ data, width, height }, [x0, y0, x1, y1], side) {
  const planes = new Float64Array(3 * side * side);
  const at = (x, y, channel) => (x < 0 || y < 0 || x >= width || y >= height ? OUTSIDE : data[4 * (y * width + x) + channel]);
  for (let row = 0; row < side; row += 1) {
    const y = y0 + ((y1 - y0) * row) / (side - 1);
    const top = Math.floor(y);
    for (let column = 0; column < side; column += 1) {
      const x = x0 + ((x1 - x0) * column) / (side - 1);
      const left = Math.floor(x);
      for (let channel = 0; channel < 3; channel += 1) {
        const [upper, lower] = [top, top + 1].map((line) => at(left, line, channel) + (x - left) * (at(left + 1, line, channel) - at(left, line, channel)));
        planes[(channel * side + row) * side + column] = upper + (y - top) * (lower - upper);
      }
    }
  }
  return { data: planes, channels: 3, height: side, width: side };
}
