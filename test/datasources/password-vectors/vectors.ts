import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FormatSettings } from '../../../src/datasources/password-formats/index.ts';

/** A password as another program stored it. */
export interface Vector extends FormatSettings {
  readonly madeBy: string;
  readonly password: string;
  readonly hash: string;
  readonly salt?: string;
}

export function readVectors(): readonly Vector[] {
  return readFileSync(join(import.meta.dirname, 'vectors.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Vector);
}
