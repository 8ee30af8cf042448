/** Logins with a password, against bcrypt alone, and what they do to everybody else. */
import bcrypt from 'bcrypt';
import type { Length } from './compare.ts';
import { clientOf, OPAQUE_RESOURCE, PASSWORD } from './directory.ts';
import { ask, type Figures, load, median, type Target } from './load.ts';
import type { BenchServer } from './processes.ts';
import type { Line } from './report.ts';
import { loginForms } from './scenarios.ts';

/** Logins at the shipped cost would leave too few of them in a round to count. */
export const MEASURED_COST = 10;

/** Compares per second that bcrypt alone makes on the server's core, as many at once as the server runs. */
async function rawBcrypt(seconds: number): Promise<number> {
  const hash = await bcrypt.hash(PASSWORD, MEASURED_COST);
  const began = performance.now();
  const ends = began + seconds * 1000;
  let compared = 0;
  await Promise.all(
    Array.from({ length: 2 }, async () => {
      while (performance.now() < ends) {
        await bcrypt.compare(PASSWORD, hash);
        compared += 1;
      }
    }),
  );
  return compared / ((performance.now() - began) / 1000);
}

const perSecond = (all: readonly Figures[]): string =>
  `${Math.round(median(all.map((each) => each.perSecond)))}/s, p99 ${Math.round(median(all.map((each) => each.p99)))} ms`;

export async function measureLogins(
  grantable: BenchServer,
  { rounds, seconds }: Length,
): Promise<readonly Line[]> {
  const tokens = { url: `${grantable.url}/oauth/token` };
  const login: Target = { ...tokens, ...clientOf('login'), form: loginForms() };
  const machine = { ...tokens, ...clientOf('machine') };
  const { access_token: token = '' } = await ask({
    ...machine,
    form: { grant_type: 'client_credentials', resource: OPAQUE_RESOURCE },
  });
  const introspection: Target = {
    url: `${grantable.url}/oauth/introspect`,
    ...clientOf('api'),
    form: { token },
  };
  const ratios: number[] = [];
  const logins: Figures[] = [];
  const raws: number[] = [];
  const alone: Figures[] = [];
  const beside: Figures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const raw = await rawBcrypt(seconds);
    const measured = await load(login, { seconds, connections: 8 });
    raws.push(raw);
    logins.push(measured);
    ratios.push(measured.perSecond / raw);
    alone.push(await load(introspection, { seconds, connections: 8 }));
    const [, loaded] = await Promise.all([
      load(login, { seconds: seconds + 1, connections: 16 }),
      load(introspection, { seconds, connections: 8 }),
    ]);
    beside.push(loaded);
  }
  const p99 = (figures: readonly Figures[]) => median(figures.map((each) => each.p99));
  const growth = p99(beside) / Math.max(1, p99(alone));
  return [
    {
      what: `password logins, bcrypt cost ${MEASURED_COST} (against raw bcrypt)`,
      ours: perSecond(logins),
      against: `${median(raws).toFixed(1)}/s`,
      ratio: median(ratios),
      mark: 'at least 0.9',
      reached: median(ratios) >= 0.9,
    },
    {
      what: 'introspection p99 while logins saturate the hash queue (against alone)',
      ours: `${Math.round(p99(beside))} ms`,
      against: `${Math.round(p99(alone))} ms`,
      ratio: growth,
      mark: 'at most 2',
      reached: growth <= 2,
    },
  ];
}
