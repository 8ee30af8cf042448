/**
 * `node bench/datasources.ts`: logins of people in a table of the operator's, for each product that is installed,
 * against logins of our own users at the same bcrypt cost, interleaved.
 * Flags: `--rounds 5`, `--seconds 3`, `--cost 10`.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import bcrypt from 'bcrypt';
import { engines } from '../test/datasources/engines.ts';
import { APPLY, clientOf, PASSWORD, USERS } from './directory.ts';
import { ask, type Figures, load, median, type Target } from './load.ts';
import { pinLoad, startGrantable } from './processes.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    cost: { type: 'string', default: '10' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const cost = Number(values.cost);
const MARK = 0.85;
const CALLERS = 8;

const dataDir = mkdtempSync(join(tmpdir(), 'grantable-bench-'));
const there = engines.filter(({ missing }) => !missing());
const started = await Promise.all(there.map(async (kind) => ({ kind, engine: await kind.start(dataDir) })));
const hash = await bcrypt.hash(PASSWORD, cost);
const rows = Array.from({ length: USERS }, (_, index) => ({
  id: index + 1,
  email: `user${index}`,
  password: hash,
}));
for (const { engine } of started) await engine.fill('customers', rows);

const datasources = started.map(({ kind, engine }) => ({
  name: kind.name.toLowerCase(),
  ...engine.datasource,
  userTables: [
    {
      database: engine.database,
      collection: 'customers',
      usernameColumn: 'email',
      passwordColumn: 'password',
      passwordFormat: 'bcrypt',
      subjectColumn: 'id',
      roles: ['clerk'],
      realm: 'login',
    },
  ],
}));
const organizations = APPLY.organizations.map((organization) => ({
  ...organization,
  applications: organization.applications.map((application) =>
    application.name === 'login'
      ? { ...application, grants: [...application.grants, 'database_user'] }
      : application,
  ),
  datasources,
}));

pinLoad();
const server = await startGrantable(
  { organizations },
  {
    GRANTABLE_DATA_DIR: dataDir,
    GRANTABLE_BCRYPT_COST: String(cost),
    GRANTABLE_DATASOURCE_HOSTS: 'localhost,127.0.0.1',
  },
);
process.once('exit', () => server.kill());

let next = 0;
const target = (form: () => Record<string, string>): Target => ({
  url: `${server.url}/oauth/token`,
  ...clientOf('login'),
  form,
});
const username = (): string => `user${next++ % USERS}`;
const native = target(() => ({ grant_type: 'password', username: username(), password: PASSWORD }));
const logins = started.map(({ kind, engine }) => ({
  name: kind.name,
  target: target(() => ({
    grant_type: 'urn:grantable:grant-type:database-user',
    instance: kind.name.toLowerCase(),
    database: engine.database,
    collection: 'customers',
    username_column: 'email',
    password_column: 'password',
    username: username(),
    password: PASSWORD,
  })),
  figures: [] as Figures[],
  ratios: [] as number[],
}));
for (const login of logins) {
  const answer = await ask(login.target);
  if (!answer.access_token) throw new Error(`${login.name}: ${JSON.stringify(answer)}`);
}

const own: Figures[] = [];
for (let round = -1; round < rounds; round += 1) {
  for (const login of logins) {
    const against = await load(native, { seconds, connections: CALLERS });
    const measured = await load(login.target, { seconds, connections: CALLERS });
    // The first round warms up.
    if (round < 0) continue;
    own.push(against);
    login.figures.push(measured);
    login.ratios.push(measured.perSecond / against.perSecond);
  }
}

const describe = (figures: readonly Figures[]): string =>
  `${median(figures.map((each) => each.perSecond)).toFixed(1)}/s, p99 ${Math.round(median(figures.map((each) => each.p99)))} ms`;
console.log(`bcrypt cost ${cost}, ${rounds} rounds of ${seconds} s; our own users: ${describe(own)}`);
console.log('| database-user login | | ratio | mark |\n| --- | --- | --- | --- |');
for (const { name, figures, ratios } of logins) {
  console.log(`| ${name} | ${describe(figures)} | ${median(ratios).toFixed(2)} | at least ${MARK} |`);
}
await server.stop();
for (const { engine } of started) await engine[Symbol.asyncDispose]();
