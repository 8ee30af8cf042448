/** Interleaved rounds of all scenarios: each figure is a median, each ratio the median of the rounds' ratios. */
import { type Measured, measure, median } from './load.ts';
import type { Line } from './report.ts';
import type { Run, Scenario } from './scenarios.ts';

export interface Length {
  readonly rounds: number;
  readonly seconds: number;
}

interface Round {
  readonly ours: Measured;
  readonly against: Measured;
  readonly floor: Measured | undefined;
  /** Over the other store. */
  readonly beside: Measured | undefined;
}

const describe = (all: readonly Measured[]): string => {
  const of = (pick: (each: Measured) => number): number => Math.round(median(all.map(pick)));
  return `${of(({ cpu }) => cpu)} µs, ${of(({ perSecond }) => perSecond)}/s, p99 ${of(({ p99 }) => p99)} ms`;
};

function toLine({ name, mark, p99: slowest }: Scenario, rounds: readonly Round[]): Line {
  const floors = rounds.flatMap(({ floor }) => floor ?? []);
  const besides = rounds.flatMap(({ beside }) => beside ?? []);
  const ratio = median(rounds.map(({ ours, against }) => against.cpu / ours.cpu));
  const p99 = median(rounds.map(({ ours, against }) => ours.p99 / Math.max(1, against.p99)));
  const marks = [
    ...(mark === undefined ? [] : [`at least ${mark}`]),
    ...(slowest === undefined ? [] : [`p99 at most ${slowest} (${p99.toFixed(2)})`]),
  ];
  return {
    what: name,
    ours: describe(rounds.map(({ ours }) => ours)),
    ...(besides.length > 0 && { beside: describe(besides) }),
    against: describe(rounds.map(({ against }) => against)),
    ...(floors.length > 0 && { floor: `${Math.round(median(floors.map(({ cpu }) => cpu)))} µs` }),
    ratio,
    mark: marks.join(', '),
    reached: ratio >= (mark ?? 0) && p99 <= (slowest ?? Number.POSITIVE_INFINITY),
  };
}

export async function compare(
  all: readonly Scenario[],
  beside: readonly Run[],
  { rounds, seconds }: Length,
): Promise<Line[]> {
  const run = (it: Run | undefined) => it && measure(it.server, it.target, { seconds });
  const measured = all.map((): Round[] => []);
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, scenario] of all.entries()) {
      const figures = {
        against: await measure(scenario.against.server, scenario.against.target, { seconds }),
        ours: await measure(scenario.ours.server, scenario.ours.target, { seconds }),
        floor: await run(scenario.floor),
        beside: await run(beside[index]),
      };
      // The first round warms up.
      if (round >= 0) measured[index]?.push(figures);
    }
  }
  return all.map((scenario, index) => toLine(scenario, measured[index] ?? []));
}
