/** Everything that administration works on, over a real store in a folder of its own. Passwords cost little. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApplyRefused } from '../../src/apply/apply.ts';
import { parseApplyFile } from '../../src/apply/file.ts';
import type { ApplyFile } from '../../src/apply/schema.ts';
import { loadConfig } from '../../src/config/load.ts';
import { type Foundations, openFoundations } from '../../src/server/foundations.ts';

export interface Administration extends Foundations {
  /** Milliseconds; moves the clock of all of it. */
  readonly clock: { offset: number };
}

export async function openAdministration(
  t: { after(end: () => Promise<void>): unknown },
  env: Record<string, string> = {},
): Promise<Administration> {
  const dataDir = await mkdtemp(join(tmpdir(), 'grantable-admin-'));
  const config = loadConfig(
    { GRANTABLE_DATA_DIR: dataDir, GRANTABLE_BCRYPT_COST: '4', GRANTABLE_HOSTS: 'id.acme.example', ...env },
    { cwd: dataDir },
  );
  const clock = { offset: 0 };
  const foundations = await openFoundations(config, () => Date.now() + clock.offset);
  await foundations.followSigningAlgs();
  t.after(async () => {
    await foundations.close();
    await rm(dataDir, { recursive: true });
  });
  return { ...foundations, clock };
}

/** An apply file written as an object. */
export function fileOf(content: object): ApplyFile {
  return parseApplyFile(`${JSON.stringify(content)}\n`, 'test.json');
}

/** @returns the problems for which the file was refused */
export async function refusal(work: Promise<unknown>): Promise<readonly string[]> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof ApplyRefused, String(error));
    return error.problems;
  }
  throw new Error('it was not refused');
}
