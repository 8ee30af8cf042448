/** The guide as its reader follows it: its commands, copied out of the page, with the real server and the example. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { childEnv, findProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';
import { isShown, readSteps, type Step } from './guide.ts';
import { openShell, type Shell } from './shell.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const steps = await readSteps(join(ROOT, 'docs', 'guides', 'own-rows.md'));

/** Ports of the page, which other programs may have here. */
const [SERVER, EXAMPLE] = ['localhost:3000', 'localhost:8080'];
const WAIT = /^sleep (\d+)\n/;

const missing = ['bash', 'curl'].filter((name) => findProgram(name) === undefined);
const skip = missing.length > 0 && `needs ${missing.join(' and ')}`;

describe('docs/guides/own-rows.md', { skip }, () => {
  let clone: string;
  let shell: Shell;
  let addresses: [string, string][];

  before(async () => {
    clone = await mkdtemp(join(tmpdir(), 'grantable-guide-'));
    for (const name of await readdir(ROOT)) {
      if (name !== 'data' && name !== '.git') await symlink(join(ROOT, name), join(clone, name));
    }
    const [port, examplePort] = [await freePort(), await freePort()];
    addresses = [
      [SERVER, `localhost:${port}`],
      [EXAMPLE, `localhost:${examplePort}`],
    ];
    shell = openShell(clone, {
      ...childEnv,
      HOME: clone,
      GRANTABLE_PORT: String(port),
      GRANTABLE_BCRYPT_COST: '4',
      GRANTABLE_LOG_LEVEL: 'silent',
      ISSUER: `http://localhost:${port}`,
      PORT: String(examplePort),
    });
  });
  after(async () => {
    await shell[Symbol.asyncDispose]();
    await rm(clone, { recursive: true });
  });

  const here = (text: string): string =>
    addresses.reduce((changed, [shown, real]) => changed.replaceAll(shown, real), text);
  const answers = (path: string) => () =>
    fetch(`http://${here(path)}`).then(
      ({ ok }) => ok,
      () => false,
    );

  async function follow(step: Step): Promise<void> {
    if (step.kind === 'save') return writeFile(join(clone, step.name), step.text);
    const commands = here(step.commands);
    if (commands.includes('npm start')) {
      shell.start(commands);
      await until('the server is ready', answers(`${SERVER}/readyz`));
    } else if (commands.includes('npm run -s example')) {
      shell.start(commands);
      await until('the example answers', answers(`${EXAMPLE}/health`));
    } else {
      const output = await typeWithin(commands, step.output);
      if (step.output !== undefined) assert.ok(isShown(here(step.output), output), `${commands}\n${output}`);
    }
  }

  /** Where the page waits some seconds, the output may come earlier, and must not come later. */
  async function typeWithin(commands: string, output = ''): Promise<string> {
    const seconds = Number(WAIT.exec(commands)?.[1] ?? 0);
    const deadline = performance.now() + seconds * 1000;
    for (;;) {
      const isLast = performance.now() >= deadline;
      const printed = await shell.type(commands.replace(WAIT, ''));
      if (isLast || isShown(here(output), printed)) return printed;
    }
  }

  test('its commands print what it shows', async () => {
    assert.ok(steps.length > 15);
    for (const step of steps) await follow(step);
  });
});
