/** Comparing how long things take on a machine that does other things too. */

export function quantile(times: readonly number[], part: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor((times.length - 1) * part)] as number;
}

export const median = (times: readonly number[]): number => quantile(times, 0.5);

/** @returns milliseconds */
export async function timeOf(work: () => unknown): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** How much longer `one` takes than `other`, by the medians of `tries` made in turn. */
export async function ratioOf(
  one: () => unknown,
  other: () => unknown,
  { tries }: { readonly tries: number },
): Promise<number> {
  const [ones, others]: [number[], number[]] = [[], []];
  for (let made = 0; made < tries; made += 1) {
    ones.push(await timeOf(one));
    others.push(await timeOf(other));
  }
  return median(ones) / median(others);
}

/**
 * Measures again while the figure is out of bounds. A busy machine may spoil a round; a true difference shows in each.
 * @returns the last figure
 */
export async function untilWithin(
  bounds: { readonly least?: number; readonly most: number },
  measure: () => Promise<number>,
): Promise<number> {
  let figure = Number.NaN;
  for (let round = 0; round < 4; round += 1) {
    figure = await measure();
    if (figure >= (bounds.least ?? 0) && figure <= bounds.most) break;
  }
  return figure;
}
