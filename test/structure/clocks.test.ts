import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const SLEEP = /\bsetTimeout\b.*from 'node:timers\/promises'|=> setTimeout\(|waitForTimeout\(/;
const STOPWATCH = /performance\.now\(\) -|process\.cpuUsage|hrtime|monitorEventLoopDelay/;
/** Times are compared in these only. */
const TIMING = /\.timing\.ts$|^test\/timing\/|^test\/structure\/clocks/;
/** They measure at full scale only. */
const FIGURES = ['test/permissions/cost.test.ts', 'test/storage/clean-up.test.ts'];

const files = globSync('test/**/*.ts').filter((file) => !TIMING.test(file));
const having = (pattern: RegExp) => files.filter((file) => pattern.test(readFileSync(file, 'utf8')));

test('tests wait for what happens, with until', () => {
  assert.deepEqual(having(SLEEP), ['test/support/until.ts']);
});

test('tests of npm test measure no time', () => {
  assert.deepEqual(having(STOPWATCH).sort(), FIGURES);
});
