/**
 * The contract of the older token APIs, as recordings: each is sent over HTTP as it is written, and the answer must be
 * the recorded one, key for key. A step is a sentence; where a sentence comes from stands beside it in the recording.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fixtures as apiMaker } from './api-maker/fixture.ts';
import { fixtures as devicehive } from './devicehive/fixture.ts';
import { fixtures as fusio } from './fusio/fixture.ts';
import { loadRecordings } from './recordings.ts';
import { type Fixtures, Stage } from './stage.ts';
import { fixtures as sunbreak } from './sunbreak/fixture.ts';
import { fixtures as usergrid } from './usergrid/fixture.ts';

/** By the folder of their recordings. */
const faces: Readonly<Record<string, Fixtures>> = {
  sunbreak,
  'api-maker': apiMaker,
  usergrid,
  devicehive,
  fusio,
};

for (const [face, fixtures] of Object.entries(faces)) {
  describe(face, () => {
    const recordings = loadRecordings(join(import.meta.dirname, face));

    for (const { title, fixture, steps } of recordings) {
      describe(title, () => {
        let stage: Stage;
        before(async () => {
          const world = fixtures[fixture];
          assert.ok(world, `there is no fixture ${fixture}`);
          stage = await Stage.open(world);
        });
        after(() => stage?.close());
        for (const step of steps) test(step.name, () => stage.play(step));
      });
    }

    test('every fixture has a recording that is played in it', () => {
      const used = new Set(recordings.map(({ fixture }) => fixture));
      assert.deepEqual([...used].sort(), Object.keys(fixtures).sort());
    });
  });
}

test('every folder of recordings is replayed', () => {
  const folders = readdirSync(import.meta.dirname, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  assert.deepEqual(folders.sort(), Object.keys(faces).sort());
});
