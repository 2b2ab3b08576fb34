// The charts of a host: CPU, memory, disks, network, and what the kernel runs out of. Pure.
import { quoted } from '../api/prometheus'
import type { ChartDef } from './chart'

/** Kinds of file systems that are no disk, or are always full by design. */
const NO_DISK = 'fstype!~"tmpfs|ramfs|devtmpfs|overlay|squashfs|iso9660|erofs|fuse.lxcfs|nsfs"'
/** Devices that carry what others count too. */
const OWN_NETWORK = 'device!~"lo|veth.*|ifb.*|br-.*|docker.*|cali.*|cni.*|flannel.*"'
const WHOLE_DISK = 'device!~"loop.*|ram.*|zram.*|dm-.*|md.*|sr.*"'

/** Modes of the CPU, from the work that is wanted to that which is lost. */
const MODES = ['user', 'nice', 'system', 'irq', 'softirq', 'iowait', 'steal']

/** What takes all series of a host itself: those of node_exporter have no label but the usual one. */
export const hostSelector = (host: string): string => `instance=${quoted(host)}`

export function hostCharts(host: string): ChartDef[] {
  const own = hostSelector(host)
  const of = (metric: string, more = ''): string => `${metric}{${own}${more === '' ? '' : `,${more}`}}`
  const cpus = `count(count by (cpu) (${of('node_cpu_seconds_total', 'mode="idle"')}))`
  return [
    {
      id: 'cpu', unit: 'share', aspect: 'utilisation', stacked: true, least: 1,
      lines: [{ label: 'mode', order: MODES, query: (t) => `avg by (mode) (${t.rate(of('node_cpu_seconds_total', 'mode!="idle"'))}) > 0` }],
    },
    {
      id: 'load', unit: 'count', aspect: 'saturation',
      lines: [
        { word: 'load1', query: (t) => `max(${t.peak(of('node_load1'))})` },
        { word: 'load5', query: (t) => `max(${t.mean(of('node_load5'))})` },
        { word: 'load15', query: (t) => `max(${t.mean(of('node_load15'))})` },
      ],
      limits: [{ word: 'cpus', query: () => cpus }],
    },
    {
      id: 'memory', unit: 'bytes', aspect: 'utilisation',
      lines: [
        { word: 'used', query: (t) => `max(${t.peak(of('node_memory_MemTotal_bytes'))}) - max(${t.mean(of('node_memory_MemAvailable_bytes'))})` },
        { word: 'cache', query: (t) => `max(${t.mean(of('node_memory_Cached_bytes'))}) + max(${t.mean(of('node_memory_Buffers_bytes'))})` },
      ],
      limits: [{ word: 'total', query: () => `max(${of('node_memory_MemTotal_bytes')})` }],
    },
    {
      id: 'swap', unit: 'bytes', aspect: 'saturation', optional: true,
      lines: [{ word: 'used', query: (t) => `(max(${t.peak(of('node_memory_SwapTotal_bytes'))}) > 0) - max(${t.mean(of('node_memory_SwapFree_bytes'))})` }],
      limits: [{ word: 'total', query: () => `max(${of('node_memory_SwapTotal_bytes')}) > 0` }],
    },
    {
      id: 'filesystems', unit: 'share', aspect: 'utilisation', least: 1,
      lines: [{
        label: 'mountpoint', once: 'device',
        // As df has it: what is reserved is neither used nor left.
        query: (t) => `max by (device, mountpoint) (1 - ${t.mean(of('node_filesystem_avail_bytes', NO_DISK))} / (${t.mean(of('node_filesystem_size_bytes', NO_DISK))} - ${t.mean(of('node_filesystem_free_bytes', NO_DISK))} + ${t.mean(of('node_filesystem_avail_bytes', NO_DISK))} > 0))`,
      }],
    },
    {
      id: 'inodes', unit: 'share', aspect: 'utilisation', least: 1, optional: true,
      lines: [{
        label: 'mountpoint', once: 'device',
        query: (t) => `max by (device, mountpoint) (1 - ${t.mean(of('node_filesystem_files_free', NO_DISK))} / (${t.mean(of('node_filesystem_files', NO_DISK))} > 0))`,
      }],
    },
    {
      id: 'disks', unit: 'bytes_per_second', aspect: 'utilisation', optional: true,
      lines: [
        { word: 'read', label: 'device', query: (t) => `sum by (device) (${t.rate(of('node_disk_read_bytes_total', WHOLE_DISK))})` },
        { word: 'written', label: 'device', query: (t) => `sum by (device) (${t.rate(of('node_disk_written_bytes_total', WHOLE_DISK))})` },
      ],
    },
    {
      id: 'diskbusy', unit: 'share', aspect: 'saturation', least: 1, optional: true,
      lines: [{ label: 'device', query: (t) => `max by (device) (${t.rate(of('node_disk_io_time_seconds_total', WHOLE_DISK))})` }],
    },
    {
      id: 'disktime', unit: 'seconds', aspect: 'saturation', optional: true,
      lines: [
        {
          word: 'read', label: 'device',
          query: (t) => `sum by (device) (${t.rate(of('node_disk_read_time_seconds_total', WHOLE_DISK))}) / (sum by (device) (${t.rate(of('node_disk_reads_completed_total', WHOLE_DISK))}) > 0)`,
        },
        {
          word: 'written', label: 'device',
          query: (t) => `sum by (device) (${t.rate(of('node_disk_write_time_seconds_total', WHOLE_DISK))}) / (sum by (device) (${t.rate(of('node_disk_writes_completed_total', WHOLE_DISK))}) > 0)`,
        },
      ],
    },
    {
      id: 'network', unit: 'bytes_per_second', aspect: 'utilisation', optional: true,
      lines: [
        { word: 'received', label: 'device', query: (t) => `sum by (device) (${t.rate(of('node_network_receive_bytes_total', OWN_NETWORK))})` },
        { word: 'sent', label: 'device', query: (t) => `sum by (device) (${t.rate(of('node_network_transmit_bytes_total', OWN_NETWORK))})` },
      ],
    },
    {
      id: 'neterrors', unit: 'per_second', aspect: 'errors', optional: true,
      lines: [
        { word: 'errors', query: (t) => `sum(${t.rate(of('node_network_receive_errs_total', OWN_NETWORK))}) + sum(${t.rate(of('node_network_transmit_errs_total', OWN_NETWORK))})` },
        { word: 'dropped', query: (t) => `sum(${t.rate(of('node_network_receive_drop_total', OWN_NETWORK))}) + sum(${t.rate(of('node_network_transmit_drop_total', OWN_NETWORK))})` },
      ],
    },
    {
      id: 'pressure', unit: 'share', aspect: 'saturation', optional: true,
      lines: [
        { word: 'psiCpu', query: (t) => `max(${t.rate(of('node_pressure_cpu_waiting_seconds_total'))})` },
        { word: 'psiMemory', query: (t) => `max(${t.rate(of('node_pressure_memory_waiting_seconds_total'))})` },
        { word: 'psiIo', query: (t) => `max(${t.rate(of('node_pressure_io_waiting_seconds_total'))})` },
      ],
    },
    {
      id: 'oom', unit: 'count', aspect: 'errors', optional: true,
      lines: [{ word: 'oomKills', query: (t) => `sum(${t.count(of('node_vmstat_oom_kill'))})` }],
    },
    {
      id: 'descriptors', unit: 'count', aspect: 'utilisation', optional: true,
      lines: [{ word: 'open', query: (t) => `max(${t.peak(of('node_filefd_allocated'))})` }],
      limits: [{ word: 'limit', query: () => `max(${of('node_filefd_maximum')})` }],
    },
    {
      id: 'conntrack', unit: 'count', aspect: 'utilisation', optional: true,
      lines: [{ word: 'tracked', query: (t) => `max(${t.peak(of('node_nf_conntrack_entries'))})` }],
      limits: [{ word: 'limit', query: () => `max(${of('node_nf_conntrack_entries_limit')})` }],
    },
    {
      id: 'processes', unit: 'count', aspect: 'saturation', optional: true,
      lines: [
        { word: 'runnable', query: (t) => `max(${t.peak(of('node_procs_running'))})` },
        { word: 'blocked', query: (t) => `max(${t.peak(of('node_procs_blocked'))})` },
      ],
    },
  ]
}
