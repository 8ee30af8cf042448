/** An organization with a user, and with the customers of a shop in a database of its own. */
import { crmDatasource, writeCrm } from '../../support/crm.ts';
import type { Fixture, Fixtures } from '../stage.ts';

const world = (settings: object = {}): Fixture => ({
  prepare: (dataDir) => writeCrm(dataDir, 'open-sesame'),
  change(fixture) {
    const [acme] = fixture.organizations;
    acme.applications.find(({ name }: { name: string }) => name === 'shop').grants.push('database_user');
    acme.faces = { apiMaker: { application: 'shop', ...settings } };
    acme.datasources = [crmDatasource('shop')];
  },
});

export const fixtures: Fixtures = {
  default: world(),
  'an empty authTokenInfo': world({ authTokenInfo: [] }),
  'off for the organization': world({ enabled: false }),
};
