import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { test } from 'node:test';
import { findFreshness } from '../../src/outgoing/freshness.ts';

const NOW = Date.UTC(2030, 0, 1);
const at = (seconds: number): string => new Date(NOW + seconds * 1000).toUTCString();

test('an answer is fresh as long as its headers say', () => {
  const headers: readonly (readonly [IncomingHttpHeaders, number | undefined])[] = [
    [{}, undefined],
    [{ 'cache-control': 'public' }, undefined],
    [{ 'cache-control': 'max-age=600' }, 600],
    [{ 'cache-control': 'public, MAX-AGE=600 , immutable' }, 600],
    [{ 'cache-control': 'max-age="600"' }, 600],
    [{ 'cache-control': 'max-age=600, max-age=60' }, 60],
    [{ 'cache-control': 'max-age=600, s-maxage=30' }, 30],
    [{ 'cache-control': 'x-max-age=600' }, undefined],
    [{ 'cache-control': 'max-age=-1' }, undefined],
    [{ 'cache-control': 'max-age=99999999999' }, undefined],
    [{ 'cache-control': 'max-age=600, no-store' }, 0],
    [{ 'cache-control': 'No-Cache' }, 0],
    [{ 'cache-control': 'no-cache="set-cookie", max-age=600' }, 0],
    [{ 'cache-control': 'private, max-age=600' }, 0],
    [{ 'cache-control': 'max-age=600', age: '500' }, 100],
    [{ 'cache-control': 'max-age=600', age: '700' }, 0],
    [{ 'cache-control': 'max-age=600', age: 'old' }, 600],
    [{ expires: at(90) }, 90],
    [{ expires: at(90), date: at(30) }, 60],
    [{ expires: at(90), age: '60' }, 30],
    [{ expires: at(-90) }, 0],
    [{ expires: '0' }, 0],
    [{ expires: 'never', 'cache-control': 'max-age=5' }, 5],
    [{ age: '5' }, undefined],
  ];
  for (const [each, seconds] of headers)
    assert.equal(findFreshness(each, NOW), seconds, JSON.stringify(each));
});
