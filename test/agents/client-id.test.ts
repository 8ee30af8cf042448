import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findClientIdUrlProblem, isClientIdUrl } from '../../src/agents/client-id.ts';

test('https URLs in their plain form may be client ids', () => {
  const ids = [
    ...[
      'https://vscode.dev/oauth/client-metadata.json',
      'https://claude.ai/oauth/claude-code-client-metadata',
    ],
    ...['https://agent.example/', 'https://agent.example:8443/a', 'https://agent.example/a?version=2'],
    ...['https://xn--bcher-kva.example/agent', 'https://agent.example/a%2Fb', 'https://agent.example//a/'],
    `https://agent.example/${'a'.repeat(512 - 'https://agent.example/'.length)}`,
  ];
  for (const id of ids) assert.equal(findClientIdUrlProblem(id), undefined, id);
});

test('each other spelling of a URL is refused as a client id', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['', /not an https URL/],
    ['2f1c9a', /not an https URL/],
    ['http://agent.example/a', /not an https URL/],
    ['https://', /not an https URL/],
    ['https:///', /not an https URL/],
    ['https://agent.example', /plain form, https:\/\/agent\.example\/$/],
    ['HTTPS://agent.example/a', /plain form/],
    ['https:agent.example/a', /plain form/],
    ['https:\\\\agent.example\\a', /plain form/],
    ['https://Agent.example/a', /plain form/],
    ['https://agent.example:443/a', /plain form/],
    ['https://agent.example/a#', /fragment/],
    ['https://agent.example/a#b', /fragment/],
    ['https://user@agent.example/a', /names a user/],
    ['https://user:password@agent.example/a', /names a user/],
    ['https://@agent.example/a', /plain form/],
    ['https://agent.example./a', /ends with a dot/],
    ['https://agent.example/./a', /plain form/],
    ['https://agent.example/b/../a', /plain form/],
    ['https://agent.example/%2e/a', /plain form/],
    ['https://agent.example/b/%2E%2e/a', /plain form/],
    ['https://agent.example/b/.%2E/a', /plain form/],
    [' https://agent.example/a', /plain form/],
    ['https://agent.example/a\n', /plain form/],
    ['https://agent.exa\tmple/a', /plain form/],
    ['https://agent.example/a b', /plain form/],
    ['https://agent.example/ä', /plain form/],
    ['https://bücher.example/a', /plain form/],
    ['https://2130706433/a', /plain form/],
    ['https://0x7f.1/a', /plain form/],
    [`https://agent.example/${'a'.repeat(512)}`, /longer than 512/],
  ];
  for (const [id, problem] of refused) {
    assert.match(findClientIdUrlProblem(id) ?? '', problem, id);
    assert.equal(isClientIdUrl(id), false, id);
  }
});
