import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { createResolveInDns } from '../../src/outgoing/resolve-in-dns.ts';

const [A, AAAA] = [1, 28];

/** A name server. @param answer the data of the records of a type; undefined: it does not answer */
async function startNameServer(
  t: TestContext,
  answer: (type: number) => readonly Buffer[] | undefined,
): Promise<string> {
  const server: Socket = createSocket('udp4', (query, { port, address }) => {
    const type = query.readUInt16BE(query.indexOf(0, 12) + 1);
    const records = answer(type);
    if (!records) return;
    const question = query.subarray(12, query.indexOf(0, 12) + 5);
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    const written = records.map((data) => {
      const record = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length]);
      return Buffer.concat([record, data]);
    });
    server.send(Buffer.concat([header, question, ...written]), port, address);
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `127.0.0.1:${server.address().port}`;
}

type Found = readonly { readonly address: string; readonly family: number }[];

function resolveWith(server: string, timeoutMs = 5_000): Promise<Found> {
  const resolve = createResolveInDns({ timeoutMs, servers: [server] });
  return new Promise((found, failed) => {
    resolve('agent.example', { all: true }, (error, addresses) => (error ? failed(error) : found(addresses)));
  });
}

test('a name has its addresses of both families', async (t) => {
  const six = Buffer.from('26062800021fcb070000000000000001', 'hex');
  const server = await startNameServer(t, (type) => (type === A ? [Buffer.from([93, 184, 215, 14])] : [six]));
  assert.deepEqual(await resolveWith(server), [
    { address: '93.184.215.14', family: 4 },
    { address: '2606:2800:21f:cb07::1', family: 6 },
  ]);
});

test('a name may have addresses of one family only', async (t) => {
  const server = await startNameServer(t, (type) => (type === AAAA ? [] : [Buffer.from([127, 0, 0, 1])]));
  assert.deepEqual(await resolveWith(server), [{ address: '127.0.0.1', family: 4 }]);
});

test('a name without addresses and a silent name server are errors', async (t) => {
  await assert.rejects(resolveWith(await startNameServer(t, () => [])), /ENODATA/);
  await assert.rejects(resolveWith(await startNameServer(t, () => undefined), 50), /ETIMEOUT/);
});
