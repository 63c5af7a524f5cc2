"""A gateway to develop and test against, on a real socket, with invented contacts."""

from wxcontacts_async.emulator.calls import RecordedCall
from wxcontacts_async.emulator.connection import RecordedConnection
from wxcontacts_async.emulator.faults import Fault, FaultKind
from wxcontacts_async.emulator.movement import Movement
from wxcontacts_async.emulator.population import Population
from wxcontacts_async.emulator.script import Answer, EmulatedInstance, Refusal
from wxcontacts_async.emulator.server import GatewayEmulator

__all__ = [
    "Answer",
    "EmulatedInstance",
    "Fault",
    "FaultKind",
    "GatewayEmulator",
    "Movement",
    "Population",
    "RecordedCall",
    "RecordedConnection",
    "Refusal",
]
