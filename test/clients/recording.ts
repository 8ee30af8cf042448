/** Requests of a client library as they were recorded: reading them, and sending them with the values of a login. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import type { Answer } from '../support/server.ts';

interface Recorded {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

export interface Recording {
  /** The address that the library gave to the person's browser. */
  address(name: string, values: Record<string, string>): string;
  /** Sends the request with its headers as recorded, but for the host and the length. */
  send(name: string, values?: Record<string, string>): Promise<Answer>;
}

export function openRecording(library: string, issuer: string): Recording {
  const requests = read(library);
  function find(name: string): Recorded {
    const found = requests.get(name);
    assert.ok(found, `no request "${name}" in ${library}.http`);
    return found;
  }
  return {
    address(name, values) {
      const encoded = Object.entries(values).map(([key, value]) => [key, encodeURIComponent(value)]);
      return issuer + fill(find(name).target, Object.fromEntries(encoded));
    },
    send(name, values = {}) {
      const { method, target, headers, body } = find(name);
      const filled = Buffer.from(fill(body, values));
      const known = { ...values, host: new URL(issuer).host, length: String(filled.length) };
      return exchange(
        new URL(fill(target, values), issuer),
        method,
        headers.flatMap(([header, value]) => [header, fill(value, known)]),
        filled,
      );
    },
  };
}

function read(library: string): Map<string, Recorded> {
  const text = readFileSync(join(import.meta.dirname, 'recorded', `${library}.http`), 'utf8');
  const [, ...sections] = text.split(/^### /m);
  return new Map(
    sections.map((section) => {
      const [head = '', body = ''] = section.trimEnd().split('\n\n');
      const [title = '', line = '', ...headers] = head.split('\n');
      const [method = '', target = ''] = line.split(' ');
      const pairs = headers.map((header) => header.split(/: (.*)/s) as [string, string]);
      return [title.replace(', in the browser', ''), { method, target, headers: pairs, body }];
    }),
  );
}

function fill(text: string, values: Record<string, string>): string {
  return text.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name];
    assert.ok(value !== undefined, `no value for {{${name}}}`);
    return value;
  });
}

function exchange(url: URL, method: string, headers: string[], body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, setHost: false, agent: false }, async (response) => {
      const text = Buffer.concat(await response.toArray()).toString();
      const received = new Headers();
      for (const [name, values] of Object.entries(response.headersDistinct)) {
        for (const value of values ?? []) received.append(name, value);
      }
      const isJson = /json/.test(received.get('content-type') ?? '');
      resolve({
        status: response.statusCode ?? 0,
        headers: received,
        text,
        json: isJson ? JSON.parse(text) : {},
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
