/** Follows a guide in a clone of this repository: its commands share one shell, and its servers get free ports. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/free-port.ts';
import { childEnv, findProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';
import { isShown, readSteps, type Step } from './guide.ts';
import { openShell } from './shell.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SERVER = 'localhost:3000';
/** An API that has just started does not know yet which tokens were revoked. */
const STARTING = '"error":"unavailable"';
const MOST_STARTING_MS = 20_000;

const WAIT = /^sleep (\d+)\n/;

const missing = ['bash', 'curl'].filter((name) => findProgram(name) === undefined);
/** For tests of guides. */
export const skip = missing.length > 0 && `needs ${missing.join(' and ')}`;

/** A program that goes on while the guide is followed, beside the server (`npm start`). */
export interface Program {
  readonly command: string;
  isReady(): Promise<boolean>;
}

/** A program that answers HTTP. */
export interface Server {
  readonly command: string;
  /** As the page has it; the port may be taken here. */
  readonly address: string;
  /** A path that it answers when it is ready. */
  readonly ready: string;
  /** The variable that has its port. */
  readonly port: string;
}

export interface Guide extends AsyncDisposable {
  readonly steps: readonly Step[];
  /** @throws AssertionError if the commands print something else than the page shows */
  follow(step: Step): Promise<void>;
  /** Types what the page does not show. @returns what it prints */
  type(commands: string): Promise<string>;
  /** A text of the page, with the addresses that its programs have here. */
  here(text: string): string;
}

/** @param page its path in this repository */
export async function openGuide(
  page: string,
  {
    servers: others = [],
    programs = [],
  }: { servers?: readonly Server[]; programs?: readonly Program[] } = {},
): Promise<Guide> {
  const clone = await mkdtemp(join(tmpdir(), 'grantable-guide-'));
  for (const name of await readdir(ROOT)) {
    if (name !== 'data' && name !== '.git') await symlink(join(ROOT, name), join(clone, name));
  }
  const server = { command: 'npm start', address: SERVER, ready: '/readyz', port: 'GRANTABLE_PORT' };
  const servers = await Promise.all(
    [server, ...others].map(async (each) => ({ ...each, here: `localhost:${await freePort()}` })),
  );
  const running: readonly Program[] = [
    ...servers.map(({ command, here, ready }) => ({
      command,
      isReady: () =>
        fetch(`http://${here}${ready}`).then(
          ({ ok }) => ok,
          () => false,
        ),
    })),
    ...programs,
  ];
  const here = (text: string): string =>
    servers.reduce((changed, { address, here }) => changed.replaceAll(address, here), text);
  const ports = servers.map(({ port, here }) => [port, here.slice(here.indexOf(':') + 1)]);
  const shell = openShell(clone, {
    ...childEnv,
    HOME: clone,
    GRANTABLE_BCRYPT_COST: '4',
    GRANTABLE_LOG_LEVEL: 'silent',
    ISSUER: `http://${here(SERVER)}`,
    ...Object.fromEntries(ports),
  });

  /** Where the page waits some seconds, the output may come earlier, and must not come later. */
  async function typeWithin(commands: string, output = ''): Promise<string> {
    const seconds = Number(WAIT.exec(commands)?.[1] ?? 0);
    const [deadline, started] = [performance.now() + seconds * 1000, performance.now() + MOST_STARTING_MS];
    for (;;) {
      const printed = await shell.type(commands.replace(WAIT, ''));
      const isLast = performance.now() >= (printed.includes(STARTING) ? started : deadline);
      if (isLast || isShown(here(output), printed)) return printed;
    }
  }

  return {
    steps: await readSteps(join(ROOT, page)),
    here,
    type: (commands) => shell.type(here(commands)),
    async follow(step) {
      if (step.kind === 'save') return writeFile(join(clone, step.name), here(step.text));
      const commands = here(step.commands);
      const program = running.find(({ command }) => commands.includes(command));
      if (program) {
        shell.start(commands);
        await until(`${program.command} is ready`, () => program.isReady());
        return;
      }
      const output = await typeWithin(commands, step.output);
      if (step.output !== undefined) assert.ok(isShown(here(step.output), output), `${commands}\n${output}`);
    },
    async [Symbol.asyncDispose]() {
      await shell[Symbol.asyncDispose]();
      await rm(clone, { recursive: true });
    },
  };
}
