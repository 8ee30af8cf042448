import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { CLIENT_ACTIONS, findActionId, findActionName } from '../../src/faces/devicehive/actions.ts';
import {
  allowsNothing,
  containsAccess,
  type DeviceAccess,
  DIMENSIONS,
  fromStoredAccess,
  intersectAccess,
  NO_DEVICE_ACCESS,
} from '../../src/permissions/device-access.ts';
import fc from '../support/properties.ts';
import { PASSWORD, startServer, type TestServer } from '../support/server.ts';

const RUNS = { numRuns: process.env.GRANTABLE_TEST_LONG ? 400 : 60 };
const OWN = { actions: [...CLIENT_ACTIONS], networks: ['4', '7', '9'], deviceTypes: ['2', '3'] };

/** What one request asks for, as it is sent; null stands for all that the user has. */
interface Wanted {
  readonly actions: readonly (string | number)[];
  readonly networkIds: readonly string[] | null;
  readonly deviceTypeIds: readonly string[] | null;
}

const ids = (own: string[], foreign: string) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant(null) },
    { weight: 4, arbitrary: fc.subarray(own) },
    { weight: 1, arbitrary: fc.constant([own[0] as string, foreign]) },
    { weight: 1, arbitrary: fc.constant(['*']) },
  );
const wanted: fc.Arbitrary<Wanted> = fc.record({
  // With what is needed to go on, mostly.
  actions: fc.oneof(
    {
      weight: 6,
      arbitrary: fc.subarray([3, 'GetNetwork', 17, 11]).map((some) => ['ManageToken', ...some]),
    },
    { weight: 2, arbitrary: fc.subarray(['ManageToken', 3, 'GetNetwork'], { minLength: 1 }) },
    { weight: 1, arbitrary: fc.constantFrom(['ManageUser', 'ManageToken'], ['*'], [18, 3]) },
  ),
  networkIds: ids(['4', '7', '9'], '8'),
  deviceTypeIds: ids(['2', '3'], '5'),
});

function asked({ actions, networkIds, deviceTypeIds }: Wanted, parent: DeviceAccess): DeviceAccess {
  const reach = (list: readonly string[] | null, own: DeviceAccess['networks']) =>
    list === null ? own : list.includes('*') ? ('*' as const) : new Set(list);
  const names = actions.map((action) =>
    typeof action === 'number' ? String(findActionName(action)) : action,
  );
  return {
    actions: names.includes('*') ? '*' : new Set(names),
    networks: reach(networkIds, parent.networks),
    deviceTypes: reach(deviceTypeIds, parent.deviceTypes),
    topics: parent.topics,
  };
}

/** As the introspection answer spells it, and as the claim `payload` does. */
async function seenOf(server: TestServer, token: string): Promise<DeviceAccess> {
  const seen = await server.introspect(token);
  assert.equal(seen.active, true);
  const detail = seen.authorization_details.find(({ type }: { type: string }) => type === 'devicehive') ?? {};
  const { actions = [], networks = [], deviceTypes = [], topics = [] } = detail;
  const { a, n, dt } = decodeJwt(token).payload as { a: number[]; n: string[]; dt: string[] };
  const numbers = actions[0] === '*' ? [0] : actions.map((name: string) => findActionId(name));
  assert.deepEqual(new Set(a), new Set(numbers.length === 0 ? [1] : numbers));
  assert.deepEqual([n, dt], [networks, deviceTypes]);
  return fromStoredAccess({ actions, networks, deviceTypes, topics });
}

test('PM-07 empty rights have no action or no object, and stay empty', () => {
  const some = fc.subarray(['GetDevice', 'ManageToken']).map((list) => new Set(list));
  const reach = fc.oneof(some, fc.constant('*' as const));
  const access = fc.record({ actions: reach, networks: reach, deviceTypes: reach, topics: reach });
  const law = fc.property(access, access, (a, b) => {
    const has = DIMENSIONS.filter((dimension) => a[dimension] === '*' || a[dimension].size > 0);
    const isEnough = has.includes('actions') && has.length > 1;
    assert.equal(allowsNothing(a), !isEnough);
    if (!isEnough) assert.ok(allowsNothing(intersectAccess(a, b)));
  });
  fc.assert(law);
  assert.ok(allowsNothing(NO_DEVICE_ACCESS));
});

test('LG-03 PM-07 no pair of a chain exceeds its parent, the request or the user', async () => {
  await using server = await startServer({
    fixture(fixture) {
      const [acme] = fixture.organizations;
      acme.faces = { devicehive: { application: 'shop' } };
      acme.users[0].devicehive = OWN;
    },
  });
  const post = async (path: string, body: object, token?: string) => {
    const response = await fetch(server.issuer + path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
    return { status: response.status, json: (await response.json()) as Record<string, string> };
  };
  const login = await post('/token', { login: 'ann', password: PASSWORD });
  const root = String(login.json.accessToken);
  const { u: userId } = decodeJwt(root).payload as { u: number };
  const whole = fromStoredAccess({ ...OWN, topics: [] });
  let given = 0;
  let refused = 0;

  const chain = fc.asyncProperty(fc.array(wanted, { minLength: 1, maxLength: 4 }), async (steps) => {
    let token = root;
    let parent = await seenOf(server, root);
    for (const step of steps) {
      const { status, json } = await post('/token/create', { userId, ...step }, token);
      const wants = asked(step, parent);
      const mayAsk = parent.actions === '*' || parent.actions.has('ManageToken');
      if (!mayAsk || !containsAccess(parent, wants)) {
        refused += 1;
        assert.equal(status, 403, JSON.stringify({ step, json }));
        continue;
      }
      given += 1;
      assert.equal(status, 201, JSON.stringify({ step, json }));
      const next = await seenOf(server, String(json.accessToken));
      for (const bound of [parent, wants, whole]) assert.ok(containsAccess(bound, next));
      assert.ok(containsAccess(next, intersectAccess(parent, wants)), 'and no less than was asked for');
      const again = await post('/token/refresh', { refreshToken: String(json.refreshToken) });
      const renewed = await seenOf(server, String(again.json.accessToken));
      assert.ok(containsAccess(next, renewed) && containsAccess(renewed, next));
      [token, parent] = [String(json.accessToken), next];
    }
  });
  await fc.assert(chain, RUNS);
  assert.ok(given > 20 && refused > 20, `${given} given, ${refused} refused`);
});
