/** The page as its reader follows it: its application gets the token, and its program prints what the page shows. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { freePort } from '../support/free-port.ts';
import { startServer } from '../support/server.ts';
import { isShown, readSteps } from './guide.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..', '..');
const PAGE = join(ROOT, 'docs', 'administration.md');
const ISSUER = 'https://login.acme.example';

test('the program of docs/administration.md prints what the page shows', async () => {
  const port = await freePort();
  const issuer = `http://localhost:${port}`;
  const here = (text: string): string => text.replaceAll(ISSUER, issuer);
  const steps = await readSteps(PAGE);
  const saved = (name: string): string => {
    const step = steps.find((each) => each.kind === 'save' && each.name === name);
    assert.ok(step?.kind === 'save', name);
    return here(step.text);
  };
  const typed = steps.find((each) => each.kind === 'type' && each.commands.includes('/oauth/token'));
  assert.ok(typed?.kind === 'type' && typed.output !== undefined);

  await using server = await startServer({
    port,
    fixture({ organizations: [acme] }) {
      acme.applications.push(...parse(saved('console.yaml')).organizations[0].applications);
    },
  });
  const { stdout: answer } = await run('bash', ['-c', here(typed.commands)]);
  assert.ok(isShown(typed.output, answer), answer);

  const program = join(server.dataDir, 'roles.mjs');
  // Where the package is found that a reader has installed.
  const published = JSON.stringify(join(ROOT, 'src', 'admin-client', 'index.ts'));
  await writeFile(program, saved('roles.mjs').replace("'grantable/admin'", published));
  const { stdout } = await run(process.execPath, [program], {
    env: { ...process.env, GRANTABLE_TOKEN: JSON.parse(answer).access_token },
  });
  const shown = /node roles\.mjs\n```\n\n```\n([\s\S]*?)```/.exec(await readFile(PAGE, 'utf8'))?.[1];
  assert.equal(stdout, shown);
});
