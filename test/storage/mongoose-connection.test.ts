import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../../adapters/storage/mongoose/connection.ts';
import { createModels } from '../../adapters/storage/mongoose/schemas.ts';
import { mongoMissing, startMongo } from '../support/mongodb.ts';
import { until } from '../support/until.ts';

const CONNECTED = 1;

/** Ends what the driver looks after a server with, as a connection that breaks in mid-handshake may. */
function endMonitors(client: unknown): void {
  const { topology } = client as {
    topology: { s: { servers: Map<string, { monitor: { close(): void } }> } };
  };
  for (const { monitor } of topology.s.servers.values()) monitor.close();
}

test('E4 a driver that stopped monitoring its server is replaced again and again', {
  skip: mongoMissing(),
}, async () => {
  await using mongo = await startMongo();
  const living = await connect(mongo.newUrl(), 1_500);
  try {
    const { counters } = createModels(living.connection);
    await counters.create({ _id: 'before', points: 1, expiresAt: new Date() });
    for (let round = 0; round < 2; round += 1) {
      const client = living.connection.getClient();
      endMonitors(client);
      await until(
        'there is a new client',
        () => living.connection.getClient() !== client && living.connection.readyState === CONNECTED,
      );
      await counters.create({ _id: `after ${round}`, points: 1, expiresAt: new Date() });
      assert.equal((await counters.findOne({ _id: 'before' }).lean())?.points, 1);
    }
  } finally {
    await living.close();
  }
});

test('E4 a connection that is closed while the driver is replaced stays closed', {
  skip: mongoMissing(),
}, async () => {
  await using mongo = await startMongo();
  const living = await connect(mongo.newUrl(), 1);
  const { connection } = living;
  const close = connection.close.bind(connection);
  const begun = Promise.withResolvers<void>();
  let opened = 0;
  Object.assign(connection, {
    async close() {
      begun.resolve();
      await close();
    },
    async openUri() {
      opened += 1;
    },
  });
  await begun.promise;
  await living.close();
  assert.equal(opened, 0);
});
