// The layers of a small convolutional network. Pure: {data, channels, height, width} in and out, channel by channel.
// Sums are kept in 64 bits: typed arrays of 32 would be widened and rounded at every step.

const map = (channels, height, width) => ({ data: new Float64Array(channels * height * width), channels, height, width });

/** `kernel` [out, in, k, k] and `bias` [out] over every place that it fits. */
export function convolved(input, kernel, bias) {
  const [, inputs, side] = kernel.shape;
  const { width } = input;
  const output = map(bias.data.length, input.height - side + 1, width - side + 1);
  const size = output.height * output.width;
  for (let to = 0; to < output.channels; to += 1) {
    const sums = output.data.subarray(to * size, (to + 1) * size).fill(bias.data[to]);
    for (let from = 0; from < inputs; from += 1) {
      const plane = input.data.subarray(from * input.height * width, (from + 1) * input.height * width);
      const weights = kernel.data.subarray((to * inputs + from) * side * side, (to * inputs + from + 1) * side * side);
      if (side === 3) addThrees(sums, output, plane, width, weights);
      else addAny(sums, output, plane, width, weights, side);
    }
  }
  return output;
}

/** The same as `addAny` with nine weights at hand: most of the time goes here. */
function addThrees(sums, { height, width: wide }, plane, width, [a, b, c, d, e, f, g, h, i]) {
  for (let y = 0; y < height; y += 1) {
    let [at, under, last] = [y * width, (y + 1) * width, (y + 2) * width];
    const end = (y + 1) * wide;
    for (let to = y * wide; to < end; to += 1) {
      sums[to] += a * plane[at] + b * plane[at + 1] + c * plane[at + 2] + d * plane[under] + e * plane[under + 1] + f * plane[under + 2] + g * plane[last] + h * plane[last + 1] + i * plane[last + 2];
      at += 1;
      under += 1;
      last += 1;
    }
  }
}

function addAny(sums, { height, width: wide }, plane, width, weights, side) {
  for (let row = 0; row < side; row += 1) {
    for (let column = 0; column < side; column += 1) {
      const weight = weights[row * side + column];
      for (let y = 0; y < height; y += 1) {
        const from = (y + row) * width + column;
        for (let x = 0; x < wide; x += 1) sums[y * wide + x] += weight * plane[from + x];
      }
    }
  }
}

/** In place: what is negative times the `slopes` of its channel. */
export function bent(input, slopes) {
  const size = input.height * input.width;
  for (let channel = 0; channel < input.channels; channel += 1) {
    const slope = slopes.data[channel];
    for (let at = channel * size; at < (channel + 1) * size; at += 1) if (input.data[at] < 0) input.data[at] *= slope;
  }
  return input;
}

/** The largest of each `side` x `side`, two apart. `ragged`: windows that reach over the edge count, too. */
export function pooled(input, side, ragged) {
  const round = ragged ? Math.ceil : Math.floor;
  const output = map(input.channels, round((input.height - side) / 2) + 1, round((input.width - side) / 2) + 1);
  let to = 0;
  for (let channel = 0; channel < input.channels; channel += 1) {
    const plane = channel * input.height * input.width;
    for (let top = 0; top < 2 * output.height; top += 2) {
      for (let left = 0; left < 2 * output.width; left += 2) {
        let most = -Infinity;
        for (let y = top; y < Math.min(top + side, input.height); y += 1) {
          for (let x = left; x < Math.min(left + side, input.width); x += 1) {
            const value = input.data[plane + y * input.width + x];
            if (value > most) most = value;
          }
        }
        output.data[to] = most;
        to += 1;
      }
    }
  }
  return output;
}

/** `weight` [out, in] and `bias` [out] on all of `input`: one column of channels. */
export function joined(input, weight, bias) {
  const output = map(bias.data.length, 1, 1);
  const length = input.data.length;
  for (let to = 0; to < output.channels; to += 1) {
    let sum = bias.data[to];
    for (let at = 0; at < length; at += 1) sum += weight.data[to * length + at] * input.data[at];
    output.data[to] = sum;
  }
  return output;
}
