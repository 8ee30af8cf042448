/** Drafts that the engine implements: an update that implements another version of one must be read before it is used. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Provider } from 'oidc-provider';

const DRAFTS = { clientIdMetadataDocument: 'draft-02', externalSigningSupport: 'experimental-01' };

for (const [feature, ack] of Object.entries(DRAFTS)) {
  const build = (version: string) =>
    new Provider('https://login.example', {
      features: { [feature]: { enabled: true, ack: version } },
    } as never);

  test(`the engine has ${feature} as ${ack} and refuses other versions`, () => {
    assert.ok(build(ack));
    assert.throws(() => build('draft-01'), /unacknowledged version/);
  });
}
