// One call of Auth0's ManagementClient: DOMAIN CREDENTIALS METHOD ARGUMENTS, the credentials as the options of the SDK that
// say who calls, the arguments as a JSON array. Prints {"value"} or {"error"}. A METHOD such as iterate:clients.list goes through every page.

import { ManagementClient } from 'auth0';

const [domain, credentials, name, args] = process.argv.slice(2);
const client = new ManagementClient({ domain, ...JSON.parse(credentials) });
const iterate = name.startsWith('iterate:');
const path = name.replace('iterate:', '').split('.');
const method = path.pop();
const resource = path.reduce((object, member) => object[member], client);

try {
  let value = await resource[method](...JSON.parse(args));
  if (iterate) {
    const items = [];
    for await (const item of value) items.push(item);
    value = items;
  }
  console.log(JSON.stringify({ value }));
} catch (error) {
  const { statusCode, body, message } = error;
  console.log(JSON.stringify({ error: { name: error.name, statusCode, body, message } }));
}
