"""Invoke tasks: the operator's commands, laid out. Each lives in ``citadelle/commands/``."""

from invoke.collection import Collection

from citadelle.commands import airgap, certificates, chaos, cluster, dr, proofs, terminals, wan

namespace = Collection(
    *(cluster.env_, cluster.build, cluster.up, cluster.start, cluster.down, cluster.destroy),
    *(cluster.status_, cluster.logs, cluster.render, cluster.restart),
    *(cluster.switchover, cluster.roll, cluster.fencer),
    *(terminals.psql, terminals.etcdctl, terminals.patronictl, terminals.sh, terminals.tools),
    *(proofs.bench, proofs.stress, proofs.audit),
    wan.wan,
)

_certs = Collection("certs")
_certs.add_task(certificates.certs, name="issue", default=True)  # type: ignore[arg-type]  # `task` is untyped
_certs.add_task(certificates.certs_list)
_certs.add_task(certificates.certs_check)

_prove = Collection("prove")
_prove.add_task(proofs.prove_wire)
_prove.add_task(proofs.prove_wan)

_chaos = Collection("chaos")
_chaos.add_task(chaos.chaos_list)
_chaos.add_task(chaos.chaos_run)
_chaos.add_task(chaos.chaos_restore)

_dr = Collection("dr")
_dr.add_task(dr.promote)
_dr.add_task(dr.failback)

_drill = Collection("drill")
for _task in (dr.drill_remote, dr.drill_node, dr.drill_link, dr.drill_site):
    _drill.add_task(_task)

_airgap = Collection("airgap")
_airgap.add_task(airgap.airgap_rpms)
_airgap.add_task(airgap.airgap_wheels)
_airgap.add_task(airgap.airgap_export)

for _collection in (_certs, _prove, _chaos, _dr, _drill, _airgap):
    namespace.add_collection(_collection)
