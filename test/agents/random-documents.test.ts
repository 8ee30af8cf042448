/** Any JSON that a stranger can publish, and any text that may be a client id. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findClientIdUrlProblem } from '../../src/agents/client-id.ts';
import { type AgentFacts, hashOfFacts, parseDocument } from '../../src/agents/document.ts';
import { MetadataRejected } from '../../src/errors/domain.ts';
import { findRedirectUriProblem } from '../../src/nouns/redirect-uris.ts';
import fc from '../support/properties.ts';

const ID = 'https://agent.example/metadata.json';

const goodUri = fc.constantFrom(
  ...['https://agent.example/callback', 'http://localhost/callback', 'http://127.0.0.1:1/', 'http://[::1]/'],
  ...['com.example.agent:/callback', 'https://agent.example/a?b=c'],
);

const badUri = fc.oneof(
  fc.webUrl({ withFragments: true, withQueryParameters: true }),
  fc.constantFrom(
    ...['javascript:alert(1)', 'JAVASCRIPT:x', 'data:,x', 'file:///', 'https://*.example/', 'http://127.1/'],
    ...['https://a@b.example/', 'https://localhost/', 'http://127.0.0.2/'],
  ),
  fc.string(),
);

const uri = fc.oneof({ weight: 20, arbitrary: goodUri }, { weight: 1, arbitrary: badUri });

const key = fc.oneof(
  fc.constant<unknown>({ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }),
  fc.record(
    { kty: fc.constantFrom('OKP', 'EC', 'RSA', 'oct'), x: fc.string(), d: fc.string() },
    { requiredKeys: [] },
  ),
  fc.jsonValue(),
);

/** @returns mostly what is right, so that most members are looked at */
const or = <T>(right: fc.Arbitrary<T>) =>
  fc.oneof(
    { weight: 30, arbitrary: right as fc.Arbitrary<unknown> },
    { weight: 1, arbitrary: fc.jsonValue() },
  );

const metadata = fc.record(
  {
    client_name: or(fc.string({ unit: 'grapheme' })),
    redirect_uris: or(fc.array(uri, { minLength: 1, maxLength: 3 })),
    post_logout_redirect_uris: or(fc.array(uri, { maxLength: 2 })),
    grant_types: or(
      fc
        .subarray(['refresh_token', 'implicit', '__proto__'])
        .map((others) => ['authorization_code', ...others]),
    ),
    response_types: or(fc.constant(['code'])),
    token_endpoint_auth_method: or(fc.constantFrom('none', 'private_key_jwt', 'client_secret_basic')),
    application_type: or(fc.constantFrom('web', 'native')),
    client_uri: or(fc.webUrl({ validSchemes: ['https'] })),
    logo_uri: or(fc.webUrl({ validSchemes: ['https'] })),
    jwks: or(fc.record({ keys: fc.array(key, { maxLength: 3 }) })),
    jwks_uri: or(fc.webUrl({ validSchemes: ['https'] })),
  },
  { requiredKeys: [] },
);

function parse(json: unknown): AgentFacts | undefined {
  try {
    return parseDocument(ID, json);
  } catch (error) {
    assert.ok(error instanceof MetadataRejected, String(error));
    assert.match(error.told, /^[^\p{Cc}\p{Bidi_Control}]{10,600}\.$/u);
    return undefined;
  }
}

test('a document is understood, or refused in one sentence', () => {
  let understood = 0;
  fc.assert(
    fc.property(metadata, (said) => {
      const facts = parse({
        client_name: 'Agent',
        redirect_uris: ['https://agent.example/callback'],
        ...said,
        client_id: ID,
      });
      if (!facts) return;
      understood += 1;
      assert.deepEqual(facts.redirectUris.flatMap(findRedirectUriProblem).filter(Boolean), []);
      assert.equal(new Set(facts.redirectUris).size, facts.redirectUris.length);
      assert.ok(facts.grants.includes('authorization_code'));
      assert.match(facts.homepage ?? 'https:', /^https:/);
      const hasKeys = facts.jwks !== undefined || facts.jwksUri !== undefined;
      assert.equal(hasKeys, facts.authMethod === 'private_key_jwt');
      for (const each of facts.jwks?.keys ?? [])
        for (const secret of ['d', 'k', 'p', 'q']) assert.equal(secret in each, false);
      // The store writes it as JSON.
      const stored: AgentFacts = JSON.parse(JSON.stringify(facts));
      assert.deepEqual(stored, facts);
      assert.equal(hashOfFacts(stored), hashOfFacts(facts));
    }),
    { numRuns: 2_000 },
  );
  assert.ok(understood > 50, String(understood));
});

test('any JSON is a document or a refusal', () => {
  fc.assert(
    fc.property(fc.json({ depthSize: 'large' }), (text) => {
      parse(JSON.parse(text));
    }),
    { numRuns: 500 },
  );
});

test('a client id that may have a document has one spelling and one host', () => {
  const text = fc.oneof(
    fc.webUrl({ withFragments: true, withQueryParameters: true, validSchemes: ['https', 'http', 'HTTPS'] }),
    fc.string({ unit: 'binary' }).map((end) => `https://agent.example/${end}`),
    fc.string().map((host) => `https://${host}/a`),
    fc.string(),
  );
  fc.assert(
    fc.property(text, (id) => {
      if (findClientIdUrlProblem(id) !== undefined) return;
      const url = new URL(id);
      assert.equal(url.href, id);
      assert.match(id, /^https:\/\/[^/?#@\\\s]+\/[!-~]*$/);
      assert.equal(
        url.pathname.split('/').some((part) => /^(?:\.|%2e){1,2}$/i.test(part)),
        false,
      );
    }),
    { numRuns: 3_000 },
  );
});
