/** Requests that two processes on one store answer at the same moment. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { send, startAdmin } from './support.ts';

const ROUNDS = 12;
const PATH = '/admin/api/v1/organizations/acme/resources';

/** All name the same resource. */
const spellings = (host: string) =>
  [`https://${host}`, `https://${host}/`, `HTTPS://${host}/`, `https://${host.toUpperCase()}`] as const;

test('requests of one moment make one resource, whatever its spelling', async (t) => {
  await using admin = await startAdmin();
  const env = { ...process.env, SHARED: JSON.stringify(admin.shared) };
  const child = fork(join(import.meta.dirname, 'child.ts'), { env });
  t.after(() => child.kill('SIGKILL'));
  const [port] = await once(child, 'message');

  const headers = { authorization: `Bearer ${admin.tokens.owner}`, 'content-type': 'application/json' };
  const createAt = async (at: number, identifier: string): Promise<number> => {
    const body = JSON.stringify({ identifier });
    return (await send(at, new URL(admin.issuer).host, 'POST', PATH, headers, body)).status;
  };

  for (let round = 0; round < ROUNDS; round += 1) {
    const statuses = await Promise.all(
      spellings(`api${round}.acme.example`).flatMap((identifier) =>
        [port, admin.port].map((at) => createAt(at, identifier)),
      ),
    );
    assert.deepEqual(statuses.toSorted(), [201, ...Array(7).fill(409)], `round ${round}`);
  }
});
