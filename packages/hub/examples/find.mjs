// Reads names of models and says where a fetched one would lie. Nothing is fetched.
import { findPulled, hubOf, modelCache, parseReference } from '@crossgate/hub';

const reference = parseReference('HuggingFaceTB/SmolLM2-135M@main');
const place = { cwd: process.cwd(), env: process.env };
console.log(reference, hubOf({}).endpoint);
console.log('cache', modelCache(place).length > 0, 'found', (await findPulled(reference, place)) !== undefined);
