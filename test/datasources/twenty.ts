/** Twenty datasources: `crm`, `crm-1` to `crm-18` on one server, and `hanging` on another. */
import bcrypt from 'bcrypt';
import type { SqlServer } from '../support/postgres.ts';
import type { Answer } from '../support/server.ts';
import type { EngineKind } from './engines.ts';
import { form, startWorld, userTable, type World } from './fixture.ts';

export interface Twenty extends World {
  logInAt(instance: string): Promise<Answer>;
}

export async function startTwenty(kind: EngineKind, hanging: SqlServer): Promise<Twenty> {
  const world = await startWorld(
    kind,
    async (engine) => {
      const password = bcrypt.hashSync('right', 4);
      await engine.fill('customers', [{ id: 1, email: 'ann@acme.example', password }]);
      return [userTable(engine)];
    },
    {
      fixture(fixture, engine) {
        const [acme] = fixture.organizations;
        const [crm] = acme.datasources;
        for (let number = 1; number < 19; number += 1)
          acme.datasources.push({ ...crm, name: `crm-${number}` });
        acme.datasources.push({
          ...crm,
          ...engine.datasource,
          name: 'hanging',
          port: hanging.port,
          ca: hanging.certificate.pem,
        });
      },
    },
  );
  const login = { collection: 'customers', username: 'ann@acme.example', password: 'right' };
  return {
    ...world,
    logInAt: (instance) =>
      world.server.post('/oauth/token', 'shop', form(world.engine, { ...login, instance })),
  };
}
