/** `crossgate model`: what a model file holds and what it takes, without a GPU. */

import { InputError, textTable } from '@crossgate/core';
import { locateModel } from '@crossgate/experiment';
import { kindOf } from '@crossgate/files';
import type { LlamaConfig, WeightStorage } from '@crossgate/llm';
import type { ActivationStorage } from '@crossgate/tensor';
import type { Host } from '@crossgate/terminal';
import { type Command, InvalidArgumentError } from 'commander';
import { openModelFiles } from '../language-model';
import { surroundingsOf } from '../session';
import { addModelPull } from './model-pull';
import { addModelQuantize } from './model-quantize';
import { activationsOption, weightsOption } from './options';

function parseCount(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 1 && value <= 1e6)) throw new InvalidArgumentError('It must be a whole number from 1.');
  return value;
}

const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;

/** What sets a model apart from a plain LLaMA, in words. */
function featuresOf(config: LlamaConfig): string[] {
  const { heads, keyValueHeads, headDim, hiddenSize, ropeScaling, slidingWindow } = config;
  return [
    ...(keyValueHeads === heads ? [] : [`${heads / keyValueHeads} query heads share a key/value head`]),
    ...(headDim * heads === hiddenSize ? [] : [`heads of ${headDim}, not hiddenSize / heads`]),
    ...(config.attentionBias ? ['biases on q, k and v'] : []),
    ...(config.outputBias ? ['a bias on o'] : []),
    ...(config.feedForwardBias ? ['biases in the feed-forward'] : []),
    ...(config.queryKeyNorm ? ['q/k norms'] : []),
    ...(ropeScaling === undefined ? [] : [`rotary scaling ${ropeScaling.type}`]),
    ...(slidingWindow === undefined ? [] : [`a window of ${slidingWindow} tokens`]),
    ...(config.tieWordEmbeddings ? ['head and embeddings shared'] : []),
  ];
}

interface InfoOptions {
  readonly plan?: boolean;
  readonly prompts: number;
  readonly length: number;
  readonly rank: number;
  readonly targets: string;
  readonly weights: WeightStorage;
  readonly checkpointing?: boolean;
  readonly activations: ActivationStorage;
}

export function registerModel(program: Command, host: Host): void {
  const group = host.add(program, 'model', 'Fetch, inspect and quantize language models', [
    'model pull HuggingFaceTB/SmolLM2-135M',
    'model info stories260K',
  ]);
  addModelPull(group, host);
  addModelQuantize(group, host);
  const info = host
    .add(group, 'info <path>', 'Show what a model folder or GGUF file holds', [
      'model info stories260K',
      'model info model.gguf --plan --prompts 3 --length 700 --checkpointing',
    ])
    .option('--plan', 'predict the device memory that training LoRA takes')
    .addOption(weightsOption())
    .option('--prompts <n>', 'with --plan: prompts in a batch', parseCount, 16)
    .option('--length <n>', 'with --plan: tokens in a prompt', parseCount, 512)
    .option('--rank <n>', 'with --plan: value of lora.rank', parseCount, 8)
    .option(
      '--targets <layers>',
      'with --plan: value of lora.targets, such as q_proj,v_proj or a pattern',
      'q_proj,v_proj',
    )
    .option('--checkpointing', 'with --plan: training.checkpointing is true')
    .addOption(activationsOption());
  host.handle<InfoOptions>(info, async (context, options, [name]) => {
    const [{ contextOf, contextWords, loraParameterShapes, rotaryRows, weightBytes }, { planMemory }] =
      await Promise.all([import('@crossgate/llm'), import('@crossgate/fusion')]);
    const path = await locateModel(name!, '<path>', surroundingsOf(context.io));
    const files = await openModelFiles(path, context);
    try {
      const { config, source } = files;
      let parameters = 0;
      const types: Record<string, number> = {};
      for (const { shape, dtype } of source.tensors.values()) {
        const size = shape.reduce((product, extent) => product * extent, 1);
        parameters += size;
        types[dtype] = (types[dtype] ?? 0) + size;
      }
      const tokenizer = await files.tokenizer().catch((error: unknown) => {
        if (!(error instanceof InputError)) throw error;
        context.log.warn((error as Error).message);
        return null;
      });
      for (const warning of tokenizer?.warnings ?? []) context.log.warn(warning);
      const maxPositions = contextOf(config);
      if (options.plan && options.length > maxPositions) {
        throw new InputError(`${options.length} tokens exceed ${contextWords(config)}`, {
          code: 'prompt.too-long',
          place: '--length',
        });
      }
      // Names of layers hold no character that only patterns have.
      const targets = /^[\w.,]+$/.test(options.targets) ? options.targets.split(',') : options.targets;
      const lora = [...loraParameterShapes(config, { rank: options.rank, targets }).values()];
      const adapted = lora.reduce((sum, [rows, columns]) => sum + rows * columns, 0);
      const plan = planMemory({
        llm: config,
        weightBytes: weightBytes(config, options.weights, (tensor) => source.tensors.get(tensor)!.dtype),
        maxPositions: rotaryRows(config, options.length),
        parameters: adapted,
        trained: adapted,
        loraRank: options.rank,
        loraTargets: targets,
        tokens: options.prompts * options.length,
        prompts: options.prompts,
        checkpointing: options.checkpointing ?? false,
        activations: options.activations,
      });
      const result = {
        path,
        format: (await kindOf(path)) === 'folder' ? 'safetensors' : 'gguf',
        ...config,
        context: maxPositions,
        features: featuresOf(config),
        parameters,
        types,
        tokenizer: tokenizer && {
          vocabSize: tokenizer.vocabSize,
          addsBos: tokenizer.addsBos,
          bosTokenId: tokenizer.bosTokenId,
          eosTokenIds: tokenizer.eosTokenIds,
          warnings: tokenizer.warnings ?? [],
        },
        weights: options.weights,
        deviceBytes: plan.weights,
        warnings: source.warnings,
        ...(options.plan && { plan: { prompts: options.prompts, length: options.length, ...plan } }),
      };
      await context.emit(result, () => describe(result, plan));
    } finally {
      await files.close();
    }
  });
}

type Info = LlamaConfig & {
  /** Tokens of the longest sequence that is computed. */
  readonly context: number;
  readonly features: readonly string[];
  readonly parameters: number;
  readonly types: Readonly<Record<string, number>>;
  readonly tokenizer: { readonly vocabSize: number } | null;
  readonly weights: WeightStorage;
  readonly deviceBytes: number;
  readonly plan?: { readonly prompts: number; readonly length: number };
};

function describe(info: Info, bytes: { parameters: number; optimizer: number; step: number; total: number }): string {
  const { heads, keyValueHeads, plan } = info;
  const rows = [
    ['architecture', info.architecture],
    ['features', info.features.join('; ') || 'none beyond LLaMA'],
    ['parameters', `${info.parameters.toLocaleString('en')} (${Object.keys(info.types).join(', ')})`],
    ['layers', `${info.layers} of ${info.hiddenSize}, feed-forward ${info.intermediateSize}`],
    ['heads', `${heads}, key/value ${keyValueHeads}, each ${info.headDim}`],
    [
      'context',
      `${info.context} tokens${info.context > info.maxPositions ? `, stretched from ${info.maxPositions}` : ''}`,
    ],
    ['vocabulary', `${info.vocabSize}${info.tokenizer ? '' : ', without a tokenizer'}`],
    ['on the device', `${mebibytes(info.deviceBytes)}, matrices ${info.weights}`],
  ];
  if (plan) {
    rows.push(
      ['training LoRA', `${plan.prompts} prompts of ${plan.length} tokens: ${mebibytes(bytes.total)}`],
      [
        '  of it',
        `adapter ${mebibytes(bytes.parameters)}, optimizer ${mebibytes(bytes.optimizer)}, step ${mebibytes(bytes.step)}`,
      ],
    );
  }
  return textTable(rows);
}
