import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAllowedHosts, createCheckedLookup } from '../../src/datasources/addresses.ts';
import type { Connector } from '../../src/datasources/connector.ts';
import type { DatasourceKind } from '../../src/nouns/index.ts';
import { connectorKinds } from '../../src/server/open-datasources.ts';
import { connectorContract } from '../contracts/connector.contract.ts';
import { type Engine, engines } from './engines.ts';

async function open(engine: Engine, dataDir: string): Promise<Connector> {
  const { kind, file, host, port, username, password, tls, ca } = engine.datasource as {
    kind: DatasourceKind;
    [field: string]: any;
  };
  if (kind === 'sqlite') return connectorKinds.sqlite(join(dataDir, 'datasources', file));
  const allowed = createAllowedHosts(['localhost', '127.0.0.1']);
  const lookup = createCheckedLookup(host, allowed);
  return connectorKinds[kind]({ host, port, username, password, tls: tls ?? 'verify', ca, lookup });
}

for (const kind of engines) {
  connectorContract(
    kind.name,
    async () => {
      const dataDir = mkdtempSync(join(tmpdir(), 'grantable-'));
      const engine = await kind.start(dataDir);
      return { engine, connector: await open(engine, dataDir) };
    },
    kind.missing(),
  );
}
