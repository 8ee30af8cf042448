/**
 * Fills in the verdicts of docs/vectors: `node test/support/write-vectors.ts`. Write a new token or case by hand, without
 * its verdicts, run this, and check what it wrote before you commit it.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withVerdicts } from './plain-verdicts.ts';
import { FOLDER, readVectors, readWorld, vectorFiles } from './vectors.ts';

const ROOT = join(FOLDER, '..', '..');

const world = readWorld();
for (const file of vectorFiles()) {
  const tokens = readVectors(file).map((token) => withVerdicts(token, world));
  writeFileSync(join(FOLDER, file), JSON.stringify(tokens));
}
execFileSync(join(ROOT, 'node_modules', '.bin', 'biome'), ['format', '--write', FOLDER], {
  stdio: 'inherit',
});
